"""What may be asked."""

import io
import math

import pytest
from PIL import Image

from retrieval.encoding import _picture
from retrieval.errors import BadQuery
from retrieval.query import Query
from tests.fakes import Colours


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\0\0"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(BadQuery, match="the text is empty; type"):
        Query(text=text)


def test_a_megabyte_of_text_is_refused() -> None:
    with pytest.raises(BadQuery, match="1,000,000 characters; 2,000 are read"):
        Query(text="x" * 1_000_000)


def test_nothing_and_two_things_are_refused() -> None:
    with pytest.raises(BadQuery, match="not 0 of them"):
        Query()
    with pytest.raises(BadQuery, match="not 2 of them"):
        Query(text="a bird", row=3)


@pytest.mark.parametrize(
    "crop",
    [
        (0.5, 0.0, 0.5, 1.0),
        (0.8, 0.0, 0.2, 1.0),
        (-0.1, 0.0, 1.0, 1.0),
        (0.0, 0.0, 1.0, 1.1),
        (math.nan, 0.0, 1.0, 1.0),
        (0.0, 0.0, math.inf, 1.0),
        (0.0, 0.0, 10**400, 1.0),
    ],
)
def test_a_crop_without_area_or_out_of_bounds_is_refused(
    crop: tuple[float, float, float, float],
) -> None:
    with pytest.raises(BadQuery, match="draw it again"):
        Query(row=0, crop=crop)


@pytest.mark.parametrize("least", [1e-12, 1e-300, 5e-324])
def test_a_crop_as_thin_as_numbers_are_is_a_pixel(least: float) -> None:
    data = io.BytesIO()
    Image.new("RGB", (300, 200)).save(data, "JPEG")
    query = Query(image=data.getvalue(), crop=(0.0, 0.0, least, 1.0))
    assert _picture(Colours(1), query, 224).size == (1, 200)
