"""What happens to pictures on their way around: each distortion a function with a strength.

All are seeded: the same picture, strength and seed give the same pixels, whatever ran before.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.Image import Image as Picture

WHITE = (255, 255, 255)
WORDS = ("when it is Monday", "wait for it", "nobody:", "me, again", "this one", "so true")
"""What captions say; their height is what counts."""
Change = Callable[[Picture, float, np.random.Generator], Picture]


@dataclass(frozen=True)
class Distortion:
    """One way of changing a picture.

    Attributes:
        name: in addresses and tables.
        title: what people read.
        unit: of the strengths, such as "degrees".
        strengths: from weak to strong, in the order in which they are drawn.
        labels: a short word for each strength.
        change: the function.
        ordered: a larger strength changes more; else the strengths are only ways.
    """

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    labels: tuple[str, ...]
    change: Change
    ordered: bool = True


@dataclass(frozen=True)
class Setting:
    """A distortion at one strength."""

    distortion: Distortion
    strength: float
    label: str

    def apply(self, image: Picture, seed: tuple[int, ...]) -> Picture:
        """The distorted picture, RGB; the given one stays as it is."""
        name = int.from_bytes(self.distortion.name.encode(), "big") % (1 << 32)
        rng = np.random.default_rng([*seed, name])
        return self.distortion.change(image, self.strength, rng)


def crop(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Cut off a share of the area; where is left to chance."""
    left = (1 - strength) ** 0.5
    wide, high = (max(1, round(length * left)) for length in image.size)
    x = int(rng.integers(0, image.width - wide + 1))
    y = int(rng.integers(0, image.height - high + 1))
    return image.crop((x, y, x + wide, y + high))


def jpeg(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Save as JPEG of a quality, with halved colour, and read again."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=int(strength), subsampling=2)
    return Image.open(out).convert("RGB")


def rotate(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Turn by degrees, to a side that is left to chance, on white; nothing is cut off."""
    turn = strength if rng.random() < 0.5 else -strength
    return image.rotate(turn, Image.Resampling.BICUBIC, expand=True, fillcolor=WHITE)


def flip(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Mirror: 1 left and right, 2 top and bottom, 3 both."""
    side = ImageOps.mirror(image) if int(strength) & 1 else image
    return ImageOps.flip(side) if int(strength) & 2 else side


def scale(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Shrink both sides to a share."""
    size = [max(1, round(length * strength)) for length in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def caption(image: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Draw words in a black band over a share of the height, at the top or the bottom."""
    high = max(1, round(image.height * strength))
    top = 0 if rng.random() < 0.5 else image.height - high
    said = WORDS[int(rng.integers(len(WORDS)))]
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, top, image.width, top + high - 1), fill=(0, 0, 0))
    font = ImageFont.load_default(max(4.0, min(0.7 * high, 1.6 * image.width / len(said))))
    middle = (image.width / 2, top + high / 2)
    draw.text(middle, said, fill=WHITE, font=font, anchor="mm")
    return drawn


def _percent(values: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(f"{100 * value:g}%" for value in values)


_CUT, _LEFT, _BAND = (0.05, 0.1, 0.2, 0.35, 0.5), (0.75, 0.5, 0.25, 0.125), (0.08, 0.15, 0.25, 0.4)
DISTORTIONS = (
    Distortion("crop", "Crop", "of the area cut off", _CUT, _percent(_CUT), crop),
    Distortion("jpeg", "JPEG", "quality", (80, 50, 25, 10, 5), ("80", "50", "25", "10", "5"), jpeg),
    Distortion(
        "rotate", "Rotation", "degrees", (1, 3, 7, 15, 45), ("1", "3", "7", "15", "45"), rotate
    ),
    Distortion("flip", "Flip", "mirrored", (1, 2, 3), ("sides", "top", "both"), flip, False),
    Distortion("scale", "Scaling", "of each side", _LEFT, _percent(_LEFT), scale),
    Distortion("caption", "Drawn caption", "of the height", _BAND, _percent(_BAND), caption),
)


def settings() -> list[Setting]:
    """Every distortion at every strength, in order."""
    return [
        Setting(each, strength, label)
        for each in DISTORTIONS
        for strength, label in zip(each.strengths, each.labels, strict=True)
    ]


def by_distortion() -> Iterator[tuple[Distortion, slice]]:
    """Each distortion with the places of its strengths among ``settings``."""
    at = 0
    for each in DISTORTIONS:
        yield each, slice(at, at + len(each.strengths))
        at += len(each.strengths)


def described() -> str:
    """All of them in one line that changes when a strength does; part of a key."""
    return "; ".join(
        f"{each.name} {' '.join(f'{strength:g}' for strength in each.strengths)}"
        for each in DISTORTIONS
    )
