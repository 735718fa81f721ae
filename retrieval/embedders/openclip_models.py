"""The OpenCLIP models that are offered, as data.

Repositories, input sizes and preprocessing are those of open_clip 3.3.0; parameters are
counted from its architectures. A revision is named where it is known that the commit holds
the weights in a form that is read here; elsewhere it is empty, and the commit that the hub
names at the first download is kept (``retrieval/commits.py``). Sizes are of the weights
alone until then, and 0 where they are not known.
"""

from __future__ import annotations

from typing import NamedTuple

from retrieval.types import Licence

CROPPED = "shortest side bicubic, centre crop, mean and deviation"
BILINEAR = "shortest side bilinear, centre crop, mean and deviation"
SQUASHED = "squashed bicubic, mean and deviation"
SQUASHED_BILINEAR = "squashed bilinear, mean and deviation"


class Size(NamedTuple):
    """Floats of a vector, pixels of the square that it sees, parameters of both towers."""

    dim: int
    side: int
    parameters: int


class Commit(NamedTuple):
    """A commit that holds the weights.

    Attributes:
        revision: in full, or "" where the first download's is kept.
        weights: the file of weights, or "" for the one that the commit holds.
        sha256: of that file, where it is known beforehand.
        bytes: of that file, where they are known beforehand.
    """

    revision: str = ""
    weights: str = ""
    sha256: str = ""
    bytes: int = 0


FIRST = Commit()


class Model(NamedTuple):
    """One model.

    Attributes:
        name: what people type.
        title: what people read.
        family: the heading under which it is listed.
        repo: ``owner/name`` on the hub.
        size: of its vectors, pictures and weights.
        licence: of the weights, by their own source.
        preprocessing: how a picture becomes numbers.
        commit: which weights.
        needs: import names beside those that every model needs.
    """

    name: str
    title: str
    family: str
    repo: str
    size: Size
    licence: Licence
    preprocessing: str = CROPPED
    commit: Commit = FIRST
    needs: tuple[str, ...] = ()


SAFE = "open_clip_model.safetensors"
OLD = "open_clip_pytorch_model.safetensors"
PICKLED = "open_clip_pytorch_model.bin"
_TIMM = ("timm",)
_HF = ("transformers",)

OPENAI = Licence("MIT", "yes", "https://github.com/openai/CLIP/blob/main/LICENSE")
EVA = Licence("MIT", "yes", "https://huggingface.co/QuanSun/EVA-CLIP")
PE = Licence(
    "Apache-2.0",
    "yes",
    "https://github.com/facebookresearch/perception_models/blob/main/LICENSE.PE",
)
META = Licence(
    "CC-BY-NC-4.0", "no", "https://github.com/facebookresearch/MetaCLIP/blob/main/LICENSE"
)


def _apple(repo: str) -> Licence:
    """Apple's terms for models of its research: no commercial use."""
    return Licence("Apple-AMLR", "no", f"https://huggingface.co/{repo}/blob/main/LICENSE")


def _openai(letter: str, repo: str, size: Size, commit: Commit) -> Model:
    name = f"openai-clip-vit-{letter.lower().replace('/', '-')}"
    title = f"OpenAI CLIP ViT-{letter}"
    return Model(name, title, "OpenAI CLIP", f"timm/{repo}", size, OPENAI, commit=commit)


def _laion(name: str, title: str, tail: str, size: Size, commit: Commit = FIRST) -> Model:
    repo = f"laion/CLIP-{tail}"
    licence = Licence("MIT", "yes", f"https://huggingface.co/{repo}")
    return Model(name, title, "OpenCLIP", repo, size, licence, commit=commit)


def _dfn(name: str, tail: str, size: Size, how: str, commit: Commit = FIRST) -> Model:
    repo = f"apple/{tail}"
    title = tail.replace("-CLIP-", " ")
    return Model(name, title, "DFN CLIP", repo, size, _apple(repo), how, commit)


def _siglip(name: str, tail: str, size: Size, commit: Commit = FIRST) -> Model:
    repo = f"timm/ViT-{tail}"
    family = "SigLIP 2" if "SigLIP2" in tail else "SigLIP"
    title = f"{family} {tail.replace('-SigLIP2', '').replace('-SigLIP', '')}"
    licence = Licence("Apache-2.0", "yes", f"https://huggingface.co/{repo}")
    return Model(name, title, family, repo, size, licence, SQUASHED, commit, _TIMM + _HF)


def _mobile(kind: str, size: Size, how: str, commit: Commit = FIRST) -> Model:
    repo, name = f"timm/MobileCLIP2-{kind}-OpenCLIP", f"mobileclip2-{kind.lower()}"
    licence = _apple(f"apple/MobileCLIP2-{kind}")
    title = f"MobileCLIP2-{kind}"
    return Model(name, title, "MobileCLIP2", repo, size, licence, how, commit, _TIMM)


def _core(name: str, tail: str, size: Size, revision: str) -> Model:
    commit, title = Commit(revision, SAFE), f"PE-Core {tail}"
    repo, how = f"timm/PE-Core-{tail}", SQUASHED_BILINEAR
    return Model(name, title, "PE-Core", repo, size, PE, how, commit, _TIMM)


def _eva(name: str, title: str, repo: str, size: Size) -> Model:
    return Model(name, title, "EVA-CLIP", f"timm/{repo}", size, EVA, needs=_TIMM)


def _meta(name: str, title: str, repo: str, size: Size, how: str) -> Model:
    return Model(name, title, "MetaCLIP 2", f"timm/{repo}", size, META, how, needs=_HF)


MODELS = (
    _laion(
        "openclip-vit-b-32",
        "OpenCLIP ViT-B/32",
        "ViT-B-32-laion2B-s34B-b79K",
        Size(512, 224, 151_277_313),
        Commit(
            "1a25a446712ba5ee05982a381eed697ef9b435cf",
            SAFE,
            "ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
            605_143_316,
        ),
    ),
    _laion(
        "openclip-vit-l-14",
        "OpenCLIP ViT-L/14",
        "ViT-L-14-laion2B-s32B-b82K",
        Size(768, 224, 427_616_513),
        Commit(
            "1627032197142fbe2a7cfec626f4ced3ae60d07a",
            OLD,
            "7d129ed747e0ed53e82dfcc140382b51be66b56e6a9bdc3258afd2846e3bb019",
            1_710_517_748,
        ),
    ),
    _laion(
        "openclip-vit-h-14",
        "OpenCLIP ViT-H/14",
        "ViT-H-14-laion2B-s32B-b79K",
        Size(1024, 224, 986_109_441),
        Commit("1c2b8495b28150b8a4922ee1c8edee224c284c0c", SAFE, "", 3_944_517_836),
    ),
    _laion(
        "datacomp-vit-b-32",
        "DataComp-XL ViT-B/32",
        "ViT-B-32-DataComp.XL-s13B-b90K",
        Size(512, 224, 151_277_313),
        Commit(
            "f0e2ffa09cbadab3db6a261ec1ec56407ce42912",
            SAFE,
            "3c00043509d2e3f35ec62bd85a643a393883dcda624d8208d034cc390c708297",
        ),
    ),
    _laion(
        "datacomp-vit-b-16",
        "DataComp-XL ViT-B/16",
        "ViT-B-16-DataComp.XL-s13B-b90K",
        Size(512, 224, 149_620_737),
        Commit("d110532e8d4ff91c574ee60a342323f28468b287", PICKLED),
    ),
    _laion(
        "datacomp-vit-l-14",
        "DataComp-XL ViT-L/14",
        "ViT-L-14-DataComp.XL-s13B-b90K",
        Size(768, 224, 427_616_513),
        Commit("84c9828e63dc9a9351d1fe637c346d4c1c4db341"),
    ),
    _openai(
        "B/32",
        "vit_base_patch32_clip_224.openai",
        Size(512, 224, 151_277_313),
        Commit("a6f597a30f7b82c51704746581f9a4e41421e878", SAFE, "", 605_143_284),
    ),
    _openai(
        "L/14",
        "vit_large_patch14_clip_224.openai",
        Size(768, 224, 427_616_513),
        Commit("18d0535469bb561bf468d76c1d73aa35156c922b", SAFE),
    ),
    _dfn("dfn2b-vit-b-16", "DFN2B-CLIP-ViT-B-16", Size(512, 224, 149_620_737), CROPPED),
    _dfn("dfn2b-vit-l-14", "DFN2B-CLIP-ViT-L-14", Size(768, 224, 427_616_513), CROPPED),
    _dfn("dfn5b-vit-h-14", "DFN5B-CLIP-ViT-H-14", Size(1024, 224, 986_109_441), SQUASHED),
    _dfn(
        "dfn5b-vit-h-14-378",
        "DFN5B-CLIP-ViT-H-14-378",
        Size(1024, 378, 986_714_881),
        SQUASHED,
        Commit("01b771ed0d1395ca5ffdd279897d665ebe00dfd2", PICKLED, "", 3_947_081_637),
    ),
    _siglip("siglip-b-16", "B-16-SigLIP", Size(768, 224, 203_155_970)),
    _siglip("siglip-b-16-256", "B-16-SigLIP-256", Size(768, 256, 203_202_050)),
    _siglip("siglip-l-16-256", "L-16-SigLIP-256", Size(1024, 256, 652_150_786)),
    _siglip("siglip-l-16-384", "L-16-SigLIP-384", Size(1024, 384, 652_478_466)),
    _siglip("siglip-so400m-14", "SO400M-14-SigLIP", Size(1152, 224, 877_360_306)),
    _siglip("siglip-so400m-14-384", "SO400M-14-SigLIP-384", Size(1152, 384, 877_960_498)),
    _siglip(
        "siglip2-b-16",
        "B-16-SigLIP2",
        Size(768, 224, 375_187_970),
        Commit(
            "eee10eff6dd8cabae2d7f379d4e8cfcd352030aa",
            SAFE,
            "d0a51069d2fa6c95b371b3bffd2a2c765c1815004798ee99f075290dbca73041",
            1_500_786_832,
        ),
    ),
    _siglip(
        "siglip2-b-16-256",
        "B-16-SigLIP2-256",
        Size(768, 256, 375_234_050),
        Commit("fb14461786ff5cd7b18210817522546f28c7143a"),
    ),
    _siglip(
        "siglip2-l-16-256",
        "L-16-SigLIP2-256",
        Size(1024, 256, 881_526_786),
        Commit("da9426945c7c5acbd3afd0c158c8bb9cfd4d8cc0"),
    ),
    _siglip("siglip2-l-16-384", "L-16-SigLIP2-384", Size(1024, 384, 881_854_466)),
    _siglip("siglip2-so400m-14", "SO400M-14-SigLIP2", Size(1152, 224, 1_135_463_602)),
    _siglip(
        "siglip2-so400m-16-384",
        "SO400M-16-SigLIP2-384",
        Size(1152, 384, 1_136_039_602),
        Commit(
            "fec784dabb3081a5f101fc74eefaf9d1ed08237b",
            SAFE,
            "8ceec00df3c462d155d172933339cd9178a86bfab72f4458dbe84bd54f5ad026",
        ),
    ),
    _mobile(
        "S0",
        Size(512, 256, 74_835_073),
        BILINEAR,
        Commit(
            "095906d28bf54d7584dc411e8ffe448f34289e05",
            SAFE,
            "ab91a1a0c4330d6b1913e24d5035dfdea15423316aaec649610c6b1c6ddd0e95",
        ),
    ),
    _mobile("S2", Size(512, 256, 99_243_329), BILINEAR),
    _mobile("S3", Size(768, 256, 248_885_953), BILINEAR),
    _mobile("S4", Size(768, 256, 445_435_137), BILINEAR),
    _core(
        "pe-core-b-16",
        "B-16",
        Size(1024, 224, 447_660_545),
        "0038414f37721c5eafc1a5e0da802d291c909de3",
    ),
    _core(
        "pe-core-l-14-336",
        "L-14-336",
        Size(1024, 336, 671_138_817),
        "8eff41b3f687e50a323662c2dda5eb3588c6dd35",
    ),
    _eva(
        "eva02-clip-b-16",
        "EVA02-CLIP B/16",
        "eva02_base_patch16_clip_224.merged2b_s8b_b131k",
        Size(512, 224, 149_691_137),
    ),
    _eva(
        "eva02-clip-l-14",
        "EVA02-CLIP L/14",
        "eva02_large_patch14_clip_224.merged2b_s4b_b131k",
        Size(768, 224, 427_755_457),
    ),
    _meta(
        "metaclip2-h-14",
        "MetaCLIP 2 ViT-H/14",
        "vit_huge_patch14_clip_224.metaclip2_worldwide",
        Size(1024, 224, 1_858_783_745),
        CROPPED,
    ),
    _meta(
        "metaclip2-h-14-378",
        "MetaCLIP 2 ViT-H/14-378",
        "vit_huge_patch14_clip_378.metaclip2_worldwide",
        Size(1024, 378, 1_859_389_185),
        SQUASHED,
    ),
)
