"""What the list says of models is what their libraries make of their architectures."""

from __future__ import annotations

import copy
from typing import Any

import open_clip  # type: ignore[import-untyped]
import pytest
import timm
import torch
import transformers

from retrieval.embedders import EMBEDDERS, dino_models, naflex, openclip_models, vgg
from retrieval.types import Spec

pytestmark = pytest.mark.slow
LIBRARY: Any = transformers
SIZES = {"s": (384, 6, 12), "b": (768, 12, 12), "l": (1024, 16, 24)}
"""Width, heads and layers of DINO's transformers."""
DEPTHS = {
    "t": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "s": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "b": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "l": ((192, 384, 768, 1536), (3, 3, 27, 3)),
}
"""Widths and layers of ConvNeXts (Liu et al. 2022, arXiv 2201.03545), which DINOv3 keeps."""


def counted(module: torch.nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def architectures() -> dict[str, tuple[str, str]]:
    """Repository -> architecture and tag; those that open_clip spells out, not their doubles."""
    found: dict[str, tuple[str, str]] = {}
    for name, tag in open_clip.list_pretrained():
        repo = open_clip.get_pretrained_cfg(name, tag).get("hf_hub", "").rstrip("/")
        if repo and not name.endswith(("-quickgelu", "SigLIP-378")):
            found.setdefault(repo, (name, tag))
    return found


def towers(name: str) -> Any:
    """Both towers on no device, without weights."""
    told = copy.deepcopy(open_clip.get_model_config(name))
    custom = told.pop("custom_text", False)
    told["vision_cfg"]["timm_model_pretrained"] = False
    with torch.device("meta"):
        return (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**told)


@pytest.mark.parametrize("model", openclip_models.MODELS, ids=lambda model: str(model.name))
def test_every_openclip_model_is_open_clips(model: openclip_models.Model) -> None:
    name, tag = architectures()[model.repo]
    told = open_clip.get_model_config(name)
    how = open_clip.get_pretrained_cfg(name, tag)
    assert model.size.dim == told["embed_dim"]
    assert model.size.side == told["vision_cfg"].get("image_size", 224)
    assert model.size.parameters == counted(towers(name))
    assert how["interpolation"] in model.preprocessing
    assert ("squashed" in model.preprocessing) == (how["resize_mode"] == "squash")
    assert ("timm" in model.needs) == ("timm_model_name" in told["vision_cfg"])
    assert ("transformers" in model.needs) == ("hf_tokenizer_name" in told["text_cfg"])


def configured(model: dino_models.Model) -> Any:
    """The configuration of a DINO, by its paper."""
    letter = model.name.split("-")[1 + (model.kind == "dinov3_convnext")]
    if model.kind == "dinov3_convnext":
        widths, depths = DEPTHS[letter]
        return LIBRARY.DINOv3ConvNextConfig(hidden_sizes=list(widths), depths=list(depths))
    width, heads, layers = SIZES[letter]
    sizes = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
    }
    if model.kind == "dinov3_vit":
        return LIBRARY.DINOv3ViTConfig(
            **sizes, intermediate_size=4 * width, patch_size=16, num_register_tokens=4
        )
    with_registers = model.kind == "dinov2_with_registers"
    kind = LIBRARY.Dinov2WithRegistersConfig if with_registers else LIBRARY.Dinov2Config
    return kind(**sizes, image_size=518, patch_size=14)


def built(config: Any) -> Any:
    with torch.device("meta"):
        return LIBRARY.AutoModel.from_config(config)


@pytest.mark.parametrize("model", dino_models.MODELS, ids=lambda model: model.name)
def test_every_dino_is_transformers(model: dino_models.Model) -> None:
    config = configured(model)
    assert config.model_type == model.kind
    assert counted(built(config)) == model.parameters
    assert model.dim == (getattr(config, "hidden_size", 0) or config.hidden_sizes[-1])


def test_the_others_are_their_libraries() -> None:
    def spec(name: str) -> Spec:
        return EMBEDDERS.spec(name)

    text = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
    vision = {
        "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24,
        "patch_size": 14, "intermediate_size": 4096,
    }  # fmt: skip
    large = LIBRARY.CLIPConfig(vision_config=vision, text_config=text, projection_dim=768)
    small = counted(built(LIBRARY.CLIPConfig()))
    words = counted(built(LIBRARY.DistilBertConfig(vocab_size=119_547)))
    assert spec("st-clip-vit-b-32").parameters == small
    assert spec("st-clip-vit-l-14").parameters == counted(built(large))
    assert spec("st-clip-vit-b-32-multilingual").parameters == small + words + 768 * 512
    wide = LIBRARY.Siglip2Config(
        vision_config={"num_patches": 256}, text_config={"vocab_size": 256_000}
    )
    assert naflex.SPECS[0].parameters == counted(built(wide))
    with torch.device("meta"):
        old: Any = timm.create_model("vgg16.tv_in1k")
    assert vgg.SPECS[0].parameters == counted(old)
    assert old.pretrained_cfg["hf_hub_id"] == vgg.REPO
    assert old.pretrained_cfg["license"] == "bsd-3-clause"
