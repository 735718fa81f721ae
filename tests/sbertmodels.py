"""Tiny models in sentence-transformers' own layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip  # type: ignore[import-untyped]
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from retrieval.embedders import sbert
from retrieval.embedders.processor import NAME
from tests import tiny

SHAPE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip


def write_clip(folder: Path) -> Path:
    """CLIP as the family's repositories have it: old names, a vocabulary and its merges."""
    part = folder / sbert.PART
    config = transformers.CLIPConfig(
        vision_config={**SHAPE, "image_size": 224, "patch_size": 32},
        text_config={**SHAPE, "vocab_size": 49408, "eos_token_id": 49407, "bos_token_id": 49406},
        projection_dim=16,
    )
    tiny.save(part, transformers.CLIPModel(config))
    theirs = open_clip.SimpleTokenizer()
    named = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    words = {named.get(word, word): at for word, at in theirs.encoder.items()}
    (part / "vocab.json").write_text(json.dumps(words))
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.__getitem__)
    (part / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)))
    (part / "special_tokens_map.json").write_text("{}")
    told = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (part / "tokenizer_config.json").write_text(json.dumps(told))
    cut = {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    (part / NAME).write_text(json.dumps(cut))
    write_modules(folder, [(sbert.PART, "CLIPModel")])
    return folder


def write_modules(folder: Path, parts: list[tuple[str, str]]) -> None:
    """What a repository of sentence-transformers has at its top."""
    told = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(told))
    versions = {"__version__": {"sentence_transformers": "2.0.0"}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(versions))


def write_multilingual(folder: Path) -> Path:
    """DistilBERT, the mean of its tokens, and a matrix without a bias."""
    from safetensors.numpy import save_file

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "bird", "ein", "Vogel", "word", "##s"]
    vocab = {word: at for at, word in enumerate(words)}
    made = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(words[:4])
    config = transformers.DistilBertConfig(
        vocab_size=len(words), dim=32, n_layers=2, n_heads=2, hidden_dim=64
    )
    tiny.save(folder, transformers.DistilBertModel(config), seed=1)
    made.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(words))
    told = {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    limits = {"max_seq_length": 128, "do_lower_case": False}
    (folder / sbert.LIMITS).write_text(json.dumps(limits))
    pooling, dense = folder / "1_Pooling", folder / "2_Dense"
    for each in (pooling, dense):
        each.mkdir()
    mean = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (pooling / "config.json").write_text(json.dumps(mean))
    shape = {
        "in_features": 32, "out_features": 16, "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    }  # fmt: skip
    (dense / "config.json").write_text(json.dumps(shape))
    matrix = np.random.default_rng(2).standard_normal((16, 32)).astype(np.float32)
    save_file({"linear.weight": matrix}, dense / "model.safetensors")
    write_modules(folder, [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")])
    return folder
