"""The DINO models of the hub: which there are, and at which commit."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.types import Licence

APACHE = Licence(
    "Apache-2.0", "yes", "https://github.com/facebookresearch/dinov2/blob/main/LICENSE"
)
"""DINOv2's code and weights, since August 2023."""
META = Licence(
    "DINOv3 License",
    "conditions",
    "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
)


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        name: what people type, a pooling's ending left out.
        title: what people read.
        repo: where it is on the hub.
        revision: the full commit; nothing where the first use asks the hub and keeps its word.
        kind: ``model_type`` of its configuration.
        dim: numbers of a vector.
        parameters: how many numbers its weights are, four bytes each.
        sha256: of its weights, or nothing where the hub's own word is taken.
    """

    name: str
    title: str
    repo: str
    revision: str
    kind: str
    dim: int
    parameters: int
    sha256: str = ""

    @property
    def licence(self) -> Licence:
        """What its weights allow."""
        return META if self.gated else APACHE

    @property
    def gated(self) -> bool:
        """Whether Meta is to be asked for it."""
        return self.kind.startswith("dinov3")

    @property
    def link(self) -> str:
        """Its page, where access is asked for too."""
        return f"https://huggingface.co/{self.repo}"


MODELS = (
    Model(
        "dinov2-s",
        "DINOv2 ViT-S/14",
        "facebook/dinov2-small",
        "ed25f3a31f01632728cabb09d1542f84ab7b0056",
        "dinov2",
        384,
        22_056_576,
    ),
    Model(
        "dinov2-b",
        "DINOv2 ViT-B/14",
        "facebook/dinov2-base",
        "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        "dinov2",
        768,
        86_580_480,
    ),
    Model(
        "dinov2-l",
        "DINOv2 ViT-L/14",
        "facebook/dinov2-large",
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "dinov2",
        1024,
        304_368_640,
    ),
    Model(
        "dinov2-s-registers",
        "DINOv2 ViT-S/14, registers",
        "facebook/dinov2-with-registers-small",
        "",
        "dinov2_with_registers",
        384,
        22_058_112,
    ),
    Model(
        "dinov2-b-registers",
        "DINOv2 ViT-B/14, registers",
        "facebook/dinov2-with-registers-base",
        "a1d738ccfa7ae170945f210395d99dde8adb1805",
        "dinov2_with_registers",
        768,
        86_583_552,
        "7a6f7b3b9fa4b8732e707476a03cd6cdce210048582f21aafb7991c17d98e362",
    ),
    Model(
        "dinov2-l-registers",
        "DINOv2 ViT-L/14, registers",
        "facebook/dinov2-with-registers-large",
        "e4c89a4e05589de9b3e188688a303d0f3c04d0f3",
        "dinov2_with_registers",
        1024,
        304_372_736,
    ),
    Model(
        "dinov3-s",
        "DINOv3 ViT-S/16",
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        "114c1379950215c8b35dfcd4e90a5c251dde0d32",
        "dinov3_vit",
        384,
        21_596_544,
    ),
    Model(
        "dinov3-b",
        "DINOv3 ViT-B/16",
        "facebook/dinov3-vitb16-pretrain-lvd1689m",
        "5931719e67bbdb9737e363e781fb0c67687896bc",
        "dinov3_vit",
        768,
        85_660_416,
    ),
    Model(
        "dinov3-l",
        "DINOv3 ViT-L/16",
        "facebook/dinov3-vitl16-pretrain-lvd1689m",
        "ea8dc2863c51be0a264bab82070e3e8836b02d51",
        "dinov3_vit",
        1024,
        303_129_600,
    ),
    Model(
        "dinov3-convnext-t",
        "DINOv3 ConvNeXt-T",
        "facebook/dinov3-convnext-tiny-pretrain-lvd1689m",
        "10d30274b4d445111e2d5bf75ac93bbd94db274b",
        "dinov3_convnext",
        768,
        27_820_128,
    ),
    Model(
        "dinov3-convnext-s",
        "DINOv3 ConvNeXt-S",
        "facebook/dinov3-convnext-small-pretrain-lvd1689m",
        "",
        "dinov3_convnext",
        768,
        49_454_688,
    ),
    Model(
        "dinov3-convnext-b",
        "DINOv3 ConvNeXt-B",
        "facebook/dinov3-convnext-base-pretrain-lvd1689m",
        "",
        "dinov3_convnext",
        1024,
        87_566_464,
    ),
    Model(
        "dinov3-convnext-l",
        "DINOv3 ConvNeXt-L",
        "facebook/dinov3-convnext-large-pretrain-lvd1689m",
        "e959efa74c867491dcfe3ec3e4f97382e39025b3",
        "dinov3_convnext",
        1536,
        196_230_336,
    ),
)
