"""A panel's address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import BadKnob, BadQuery
from retrieval.panel import Panel


def test_reads_names_and_settings() -> None:
    panel = Panel.parse("conse-lite2@faiss-hnsw?efSearch=16&M=8")
    assert panel == Panel("conse-lite2", "faiss-hnsw", (("efSearch", 16), ("M", 8)))


def test_reads_percent_encoded_names() -> None:
    assert Panel.parse("hf-hub%3Aa%2Fb%40c@exact").embedder == "hf-hub:a/b@c"


@given(
    st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable()),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 999)), unique_by=lambda p: p[0]),
)
def test_what_is_written_is_read(name: str, knobs: list[tuple[str, int]]) -> None:
    panel = Panel(name, "exact", tuple(knobs))
    assert Panel.parse(str(panel)) == panel


@pytest.mark.parametrize("text", ["", "@", "a@", "@b", "conse-lite2", "x" * 600 + "@exact"])
def test_refuses_another_form(text: str) -> None:
    with pytest.raises(BadQuery, match="a panel is written EMBEDDER@INDEX"):
        Panel.parse(text)


@pytest.mark.parametrize("tail", ["M=1.5", "M=", "M=x", "M=٣", "M=9999999999", "M=1e3"])
def test_refuses_what_is_no_whole_number(tail: str) -> None:
    with pytest.raises(BadKnob, match="M is .* it must be a whole number"):
        Panel.parse(f"a@b?{tail}")


def test_refuses_a_setting_named_twice() -> None:
    with pytest.raises(BadKnob, match="named twice"):
        Panel.parse("a@b?M=1&M=2")


def test_refuses_settings_without_values() -> None:
    with pytest.raises(BadKnob, match="settings are written"):
        Panel.parse("a@b?&&M")
