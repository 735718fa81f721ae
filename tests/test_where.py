"""Filters as people write them, and the rows that they allow."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.errors import BadQuery
from retrieval.where import Allowed, Columns, Several, Where, cut, parts, value

PARTS = parts(4)
SEVERAL = Several.of([["owl", "night"], ["crow"], [], ["night", "owl", "night"]])
COLUMNS: Columns = {"label": ["owl", "crow", "owl", ""], "labels": SEVERAL, "part": PARTS}


def rows(text: str) -> list[int]:
    found: list[int] = Allowed.of(Where.parse(text), COLUMNS).rows.tolist()
    return found


def test_values_and_bounds_choose_rows() -> None:
    assert rows("label=owl") == [0, 2]
    assert rows("label=owl|crow") == [0, 1, 2]
    assert rows("label=") == [3]
    assert rows("label=Owl") == []
    assert rows("part<1000") == [0, 1, 2, 3]
    assert len(rows("part<500")) == len(rows("part >= 500")) == 2
    assert rows(f"part={PARTS[1]}") == [1]


@pytest.mark.parametrize("count", [0, 1, 7, 1000, 12_345])
def test_parts_are_of_equal_size_and_always_the_same(count: int) -> None:
    dealt = parts(count)
    assert np.array_equal(dealt, parts(count))
    for part in (1, 10, 100, 500, 1000):
        assert abs((dealt < part).sum() - count * part / 1000) < 1
    assert count < 1000 or not np.array_equal(np.sort(dealt), dealt)


@pytest.mark.parametrize(
    "text", ["label=owl", "label=a%7Cb|c%25|", "label=", "part<10", "part>=-5", "label=a=b<c"]
)
def test_what_is_written_is_read_again(text: str) -> None:
    assert str(Where.parse(text)) == text
    assert Where.parse(str(Where.parse(text))) == Where.parse(text)


def test_signs_in_values_are_values() -> None:
    given = Where("label", "=", ("a|b", "50 %", "%7C", "'; --", "<b>"))
    assert Where.parse(str(given)) == given
    assert Where.parse("label=owl|owl").values == ("owl",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "label=owl"),
        ("owl", "label=owl"),
        ("=owl", "label=owl"),
        ("la bel=owl", "label=owl"),
        ("label; DROP TABLE x=1", "label=owl"),
        ("9a=1", "label=owl"),
        ("a" * 41 + "=1", "label=owl"),
        ("label=" + "x" * 500, "label=owl"),
        ("label=\ud800", "no text has"),
        ("label=%00", "no text has"),
        ("part<", "whole number"),
        ("part<ten", "whole number"),
        ("part<1e3", "whole number"),
        ("part<1.5", "whole number"),
        ("part<nan", "whole number"),
        ("part<٣", "whole number"),
        ("part<10000000000", "whole number"),
        (None, "label=owl"),
        (7, "label=owl"),
        (["label=owl"], "label=owl"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(text: object, said: str) -> None:
    with pytest.raises(BadQuery, match=said) as told:
        Where.parse(text)
    assert len(str(told.value)) < 300


def test_a_column_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(BadQuery, match="no column 'colour' .* there are: label, labels, part"):
        rows("colour=red")
    for name in ("label", "labels"):
        with pytest.raises(BadQuery, match=f"{name} holds words; write {name}=one|other"):
            rows(f"{name}<3")


def test_one_of_several_texts_is_enough() -> None:
    assert rows("labels=night") == [0, 3]
    assert rows("labels=crow|night") == [0, 1, 3]
    assert rows("labels=") == [2]  # a row without any
    assert rows("labels=nobody") == []


def test_a_row_has_each_of_its_texts_once() -> None:
    assert SEVERAL[3] == ("night", "owl") and SEVERAL.most == 2 and Several.of([]).most == 1
    assert [value(SEVERAL, row) for row in (1, 2)] == [["crow"], [""]]
    assert value(PARTS, 0) == PARTS[0] and value(["owl"], 0) == "owl"
    assert isinstance(cut(SEVERAL, 1, 3), Several) and cut(SEVERAL, 1, 3) == SEVERAL[1:3]
    assert cut(["a", "b", "c"], 1, 3) == ["b", "c"]


@pytest.mark.parametrize(
    "given", [("no name", "=", ("x",)), ("label", "~", ("x",)), ("label", "=", ())]
)
def test_one_that_is_made_by_hand_is_checked_too(given: tuple[str, str, tuple[str, ...]]) -> None:
    with pytest.raises(BadQuery, match="a filter is written"):
        Where(*given)  # type: ignore[arg-type]
