"""A LoRA on a tower: low-rank changes to the linear layers of its blocks (Hu et al. 2021,
arXiv 2106.09685), put in and merged by ``peft``. What it knows is in no other file.
"""  # noqa: D205

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval.embedders.base import Embedder
from retrieval.errors import BadQuery, Damaged
from retrieval.types import Spec

if TYPE_CHECKING:
    from torch import nn

NEEDS = ("peft", "safetensors")
INSTALL = "pip install -r requirements-embedders.txt"
Tensors = dict[str, NDArray[np.float32]]
"""A LoRA's matrices by peft's names, those of each tower behind its name and a colon."""

Maker: TypeAlias = "Callable[[], nn.Module]"
"""Makes a torch module, in ``eval`` mode, with weights of its own."""


@dataclass(frozen=True)
class Towers:
    """What an embedder is made of, for whoever trains it on.

    Attributes:
        image: makes the module from pixels to vectors, (n, dim).
        pixels: one picture as that module reads it, without the first axis.
        text: the same from token numbers; none where no text is read.
        tokens: texts as that module reads them, (n, context).
        output: which of the image module's outputs is the vector, where it gives several.
    """

    image: Maker
    pixels: Callable[[Image], NDArray[Any]]
    text: Maker | None = None
    tokens: Callable[[Sequence[str]], NDArray[np.int64]] | None = None
    output: int = 0


@dataclass(frozen=True)
class Adapter:
    """A LoRA that was fitted, or none.

    Attributes:
        digest: changes with its matrices; empty where there is none.
        rank: of each change.
        alpha: its scale is ``alpha / rank``.
        tensors: all its matrices.
    """

    digest: str = ""
    rank: int = 0
    alpha: int = 0
    tensors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def revised(self, revision: str) -> str:
        """The revision of weights that this is merged into."""
        return f"{revision} {self.digest}" if self.digest else revision

    def into(self, side: str, tower: Maker) -> Maker:
        """What makes a tower with this merged into it.

        Args:
            side: ``image`` or ``text``.
            tower: makes it without.
        """
        own = part(self.tensors, side)
        return (lambda: merged(tower(), own, self.rank, self.alpha)) if own else tower


NONE = Adapter()


class Adaptable(Embedder):
    """An embedder whose towers can be trained on.

    Args:
        spec: what to load.
        adapter: a LoRA to merge into its towers.

    Attributes:
        towers: without the adapter.
    """

    towers: Towers

    def __init__(self, spec: Spec, adapter: Adapter = NONE) -> None:
        super().__init__(spec)
        self._adapter = adapter


def part(tensors: Mapping[str, NDArray[np.float32]], side: str) -> Tensors:
    """The matrices of one tower, by peft's own names."""
    start = f"{side}:"
    return {name[len(start) :]: each for name, each in tensors.items() if name.startswith(start)}


def targets(tower: nn.Module) -> list[str]:
    """The linear layers and packed attentions of a tower's numbered blocks.

    Raises:
        BadQuery: it has none.
    """
    from torch import nn

    whole = {
        name for name, each in tower.named_modules() if isinstance(each, nn.MultiheadAttention)
    }
    lone = {
        name
        for name, each in tower.named_modules()
        if isinstance(each, nn.Linear) and name.rpartition(".")[0] not in whole
    }
    found = [name for name in (*whole, *lone) if any(map(str.isdigit, name.split(".")))]
    if not found:
        raise BadQuery(
            "this network has no blocks of linear layers, so no LoRA fits it; "
            "train a projection, without --lora"
        )
    return sorted(found)


def injected(tower: nn.Module, rank: int, alpha: int) -> nn.Module:
    """A tower with a LoRA that changes nothing yet; only that can be trained.

    Raises:
        BadQuery: it has no layers that a LoRA fits.
    """
    from peft import LoraConfig, inject_adapter_in_model

    tower.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets(tower))
    made: nn.Module = inject_adapter_in_model(config, tower)
    return made.eval()


def taken(tower: nn.Module) -> Tensors:
    """A copy of the matrices of a tower's LoRA."""
    from peft import get_peft_model_state_dict

    state: dict[str, Any] = get_peft_model_state_dict(tower, save_embedding_layers=False)
    return {name: each.detach().numpy().copy() for name, each in state.items()}


def merged(tower: nn.Module, tensors: Tensors, rank: int, alpha: int) -> nn.Module:
    """A tower whose own weights are changed as a LoRA says.

    A packed attention's output counts twice (peft 0.21), here as when it was fitted.

    Raises:
        Damaged: it was fitted on another network, or is not finite.
    """
    import torch
    from peft import LoraConfig, LoraModel, set_peft_model_state_dict

    inside = {name.partition(".lora_")[0] for name in tensors}
    names = sorted({name.removesuffix(".base_layer.out_proj") for name in inside})
    try:
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names)
        holder = LoraModel(tower.requires_grad_(False), config, "default")
        state = {name: torch.from_numpy(each.copy()) for name, each in tensors.items()}
        told: Any = set_peft_model_state_dict(holder.model, state)
        lost = [*told.unexpected_keys, *(each for each in told.missing_keys if "lora_" in each)]
        if lost:
            raise ValueError(f"{lost[0]} is in one of them only")
        whole: nn.Module = holder.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        said = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(f"the LoRA does not fit its network ({said}); train it again") from error
    return whole.eval()
