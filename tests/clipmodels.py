"""Tiny OpenCLIP models of random weights, one of each kind, in the hub's own layout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip  # type: ignore[import-untyped]
import torch
from safetensors.torch import save_file
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from retrieval.embedders import openclip
from retrieval.embedders.clip_config import CONFIG
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'&.,!?-"
WORDS = ("bird", "dog", "photo", "of", "a", "cat", "word", "two", "the")
PLAIN: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
        },
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    },
}  # fmt: skip
HALF = [0.5, 0.5, 0.5]


def _timm(name: str, side: int, pool: str, proj: str | None) -> dict[str, Any]:
    return {
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": proj,
        "image_size": side,
    }


def _siglip(tokenizer: str, words: int) -> dict[str, Any]:
    return {
        "model_cfg": {
            "embed_dim": 64,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": _timm("test_vit", 160, "map", "none"),
            "text_cfg": {
                "context_length": 16, "vocab_size": words, "width": 64, "heads": 2, "layers": 1,
                "hf_tokenizer_name": tokenizer, "tokenizer_kwargs": {"clean": "canonicalize"},
                "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
                "norm_kwargs": {"eps": 1e-6},
            },
        },
        "preprocess_cfg": {
            "mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash",
        },
    }  # fmt: skip


def _small(vision: dict[str, Any], context: int, how: dict[str, Any]) -> dict[str, Any]:
    text = {**PLAIN["model_cfg"]["text_cfg"], "context_length": context}
    parts = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    return {"model_cfg": parts, "preprocess_cfg": how}


def _meta() -> dict[str, Any]:
    whole = deepcopy(PLAIN)
    whole["model_cfg"]["text_cfg"] |= {
        "vocab_size": 200, "hf_tokenizer_name": "facebook/xlm-v-base", "pool_type": "eos",
        "eos_id": 2,
    }  # fmt: skip
    whole["preprocess_cfg"]["resize_mode"] = "longest"
    return whole


KINDS: dict[str, dict[str, Any]] = {
    "clip": PLAIN,
    "siglip": _siglip("timm/ViT-B-16-SigLIP", 200),
    "siglip2": _siglip("timm/ViT-B-16-SigLIP2", 400),
    "convolutions": _small(
        _timm("test_byobnet", 64, "avg", None),
        77,
        {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"},
    ),
    "mobileclip2": _small(
        _timm("fastvit_t8", 64, "avg", None),
        77,
        {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"},
    ),
    "pe-core": _small(
        _timm("vit_pe_core_tiny_patch16_384", 384, "map", None),
        32,
        {"mean": HALF, "std": HALF, "interpolation": "bilinear", "resize_mode": "squash"},
    ),
    "metaclip2": _meta(),
}
"""The configuration of one model of each kind; MetaCLIP 2's with the padding that none has."""
SLOW = ("mobileclip2", "pe-core")
"""Those whose real image towers are the smallest that there are, and not small."""


def write_model(folder: Path, seed: int, kind: str = "clip") -> Path:
    """A model of random weights in the hub's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = deepcopy(KINDS[kind])
    (folder / CONFIG).write_text(json.dumps(whole))
    write_tokenizer(folder, kind)
    parts = whole["model_cfg"]
    torch.manual_seed(seed)
    custom = parts.pop("custom_text", False)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**parts)
    for each in model.state_dict().values():  # as training leaves nothing at 0 or 1
        if each.is_floating_point() and each.ndim and each.unique().numel() == 1:
            each.normal_(0, 0.1) if each.flatten()[0] == 0 else each.uniform_(0.5, 1.5)
        if kind == "pe-core" and each.ndim > 1:  # else every picture has nearly the same vector
            each.mul_(5)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / openclip.WEIGHTS)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_tokenizer(folder: Path, kind: str) -> None:
    """The tokenizer of a kind, as transformers' own classes of it save theirs."""
    if kind not in ("siglip", "siglip2", "metaclip2"):
        _byte_pairs().save(str(folder / TOKENS))
        return
    made, settings = {"siglip": _t5, "siglip2": _gemma, "metaclip2": _xlmr}[kind]()
    made.save(str(folder / TOKENS))
    (folder / SETTINGS[0]).write_text(json.dumps(settings))
    special = {name: value for name, value in settings.items() if name.endswith("_token")}
    (folder / SETTINGS[1]).write_text(json.dumps(special))


def _byte_pairs() -> Tokenizer:
    """open_clip's byte pairs, laid out as CLIP's are on the hub."""
    theirs = open_clip.SimpleTokenizer()
    words = {
        {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}.get(word, word): at
        for word, at in theirs.encoder.items()
    }
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.__getitem__)
    made = Tokenizer(
        models.BPE(words, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return made


def _pieces(first: Iterable[str]) -> list[tuple[str, float]]:
    """A vocabulary of sentence pieces: what comes first, whole words, letters."""
    words = [(f"\u2581{word}", -3.0 - at / 10) for at, word in enumerate(WORDS)]
    letters = [(letter, -8.0 - at / 10) for at, letter in enumerate(LETTERS)]
    return [*((each, 0.0) for each in first), *words, ("\u2581", -4.0), *letters]


def _t5() -> tuple[Tokenizer, dict[str, Any]]:
    """SigLIP's: it pads with the end."""
    made = Tokenizer(models.Unigram(_pieces(("<pad>", "</s>", "<unk>")), unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always"),
        ]
    )
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return made, {
        "tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": [],
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>", "model_max_length": 64,
    }  # fmt: skip


def _gemma() -> tuple[Tokenizer, dict[str, Any]]:
    """SigLIP 2's: byte pairs of pieces with bytes for what is unknown."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    words += [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581", *LETTERS]
    merges = []
    for word in WORDS:
        whole = "\u2581"
        for letter in word:
            if whole + letter not in words:
                words.append(whole + letter)
                merges.append((whole, letter))
            whole += letter
    numbers = {word: at for at, word in enumerate(words)}
    made = Tokenizer(
        models.BPE(numbers, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.post_processor = processors.TemplateProcessing(
        single=["$A", "<eos>"], pair=["$A", "<eos>", "$B", "<eos>"], special_tokens=[("<eos>", 1)]
    )
    made.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    return made, {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True,
        "padding_side": "right", "bos_token": "<bos>", "eos_token": "<eos>",
        "unk_token": "<unk>", "pad_token": {"content": "<pad>", "__type": "AddedToken"},
    }  # fmt: skip


def _xlmr() -> tuple[Tokenizer, dict[str, Any]]:
    """MetaCLIP 2's: XLM-R's, between a start and an end."""
    vocabulary = [*_pieces(("<s>", "<pad>", "</s>", "<unk>")), ("<mask>", 0.0)]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always"),
        ]
    )
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    made.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return made, {
        "tokenizer_class": "XLMRobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
        "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "mask_token": "<mask>",
    }  # fmt: skip
