"""The advisor's rules and questions: their names, their sources, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.advisor.candidates import Kept, forbids_engine
from retrieval.advisor.elsewhere import ELSEWHERE
from retrieval.advisor.engines import ENGINES, filters
from retrieval.advisor.need import QUESTIONS, Need
from retrieval.advisor.roles import ROLES, plays
from retrieval.advisor.rules import EMBEDDERS as EMBEDDER_RULES
from retrieval.advisor.rules import ENGINES as ENGINE_RULES
from retrieval.advisor.rules import TRAINING
from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery
from retrieval.indexes import INDEXES
from retrieval.types import Spec, State


def test_a_declared_filter_counts_more_than_the_table() -> None:
    class Declared:
        filters = True

    engine = ENGINES["exact"]
    kept = Kept(engine, INDEXES.spec("exact"), False, State("ready"))
    assert not filters(engine, None)
    assert filters(engine, Declared())  # type: ignore[arg-type]
    if not filters(engine, kept.spec):
        assert "does not filter" in forbids_engine(kept, Need(filters="yes"), "exact")


def test_embedders_of_faces_are_not_said_to_be_missing() -> None:
    faces = next(case for case in ELSEWHERE if case.name == "faces")
    assert any(spec.about == "faces" for spec in EMBEDDERS.specs())
    assert "not in this lab" not in faces.reason


def test_every_rule_names_what_there_is_and_its_source() -> None:
    for rule in EMBEDDER_RULES:
        assert set(rule.prefer) <= set(ROLES), rule.name
    for rule in ENGINE_RULES:
        assert set(rule.prefer) <= set(ENGINES), rule.name
    known = {**{each.name: {v for v, _ in each.answers} for each in QUESTIONS}}
    known |= {"size": {"exact", "graph", "codes", "beyond"}, "rows": {"yes", "no"}}
    for rule in (*EMBEDDER_RULES, *ENGINE_RULES, *TRAINING):
        assert rule.source.startswith("https://") or not rule.reason
        for fact, values in rule.when:
            assert set(values) <= known[fact], rule.name
    assert not EMBEDDER_RULES[-1].when and not ENGINE_RULES[-1].when and not TRAINING[-1].when


def test_a_kind_is_told_by_its_properties() -> None:
    def role(**more: Any) -> list[str]:
        spec = Spec(**{"name": "x", "title": "X", "target": "none:None", **more})
        return [name for name, each in ROLES.items() if plays(each, spec)]

    assert role(name="siglip2-b-16", reads_text=True) == ["siglip2"]
    assert role(name="openclip-vit-l-14", reads_text=True) == ["clip"]
    assert role(name="mobileclip2-s0", reads_text=True) == ["clip"]
    assert role(name="dinov2-small") == ["dino2"]
    assert role(name="dinov3-vitb16") == ["dino3"]
    assert role(name="jina-clip-v2", reads_text=True, key="JINA_API_KEY") == ["jina"]
    assert role(name="phash", metrics=EMBEDDERS.spec("phash").metrics) == []
    assert role(name="own-clip", reads_text=True, params=(("variable", "X"),)) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"now": 0}, "now (pictures) is 0; it must be from 1 to 1,000,000,000,000"),
        ({"later": 10**15}, "must be from 1 to 1,000,000,000,000"),
        ({"now": float("nan")}, "now (pictures) is nan"),
        ({"now": float("inf")}, "now (pictures) is inf"),
        ({"now": 1.5}, "whole number"),
        ({"now": "1000"}, "must be a number"),
        ({"now": True}, "must be a number"),
        ({"now": None}, "must be a number"),
        ({"now": []}, "must be a number"),
        ({"reads": "smell"}, "reads is 'smell'; it must be one of text, image, both"),
        ({"reads": ["text"]}, "must be one of"),
        ({"database": "x" * 10_000}, "must be one of none, postgres"),
        ({"ms": 0}, "ms is 0"),
        ({"ms": float("nan")}, "ms is nan"),
        ({"memory": -1}, "memory (GB) is -1"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(given: dict[str, object], why: str) -> None:
    with pytest.raises(BadQuery) as caught:
        Need.of(given)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 200


def test_nobody_has_fewer_later_who_does_not_say_so() -> None:
    assert Need.of({"now": 5_000_000}).later == 5_000_000
    assert Need.of({"now": 10}).later == Need().later
    assert Need.of({"now": 5_000_000, "later": 7}).later == 7
