"""The advisor's answers, as a person of the field would check them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from retrieval.advisor import candidates
from retrieval.advisor.advice import Advice, Stack, choose
from retrieval.advisor.candidates import Model, forbids
from retrieval.advisor.elsewhere import ELSEWHERE
from retrieval.advisor.engines import ENGINES, filters, registered
from retrieval.advisor.need import MOST, QUESTIONS, Need
from retrieval.advisor.roles import ROLES
from retrieval.advisor.rules import Rule
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.types import Licence, Spec, State
from tests.bare import unmeasured

GB = 1e9


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Where what is downloaded is not there, whatever this machine has."""

    def state(spec: Spec, public: bool = False) -> State:
        away = bool(spec.bytes or spec.param("repo") or spec.param("variable"))
        if spec.key:
            return State("key", f"needs a key: set {spec.key}")
        return State("download", "downloads 605 MB") if away else State("ready")

    monkeypatch.setattr(candidates, "state", state)
    return unmeasured(tmp_path)


def advised(lab: Lab, **answers: Any) -> Advice:
    return choose(lab, lab.gallery("stamps"), Need(**{"memory": 16 * GB, **answers}))


def stack(lab: Lab, **answers: Any) -> tuple[str, str]:
    best = advised(lab, **answers).best
    return best.model.role.name, best.kept.engine.name


FEW: dict[str, Any] = {"now": 5_000, "later": 20_000}
SCENARIOS: list[tuple[dict[str, Any], str, str]] = [
    # text: the CLIP family; few pictures: exact
    ({**FEW}, "siglip2", "exact"),
    ({**FEW, "commercial": "yes"}, "siglip2", "exact"),
    ({**FEW, "reads": "both"}, "siglip2", "exact"),
    ({**FEW, "languages": "many"}, "siglip2", "exact"),
    # pictures alone: DINO, and the one without conditions where it is sold
    ({**FEW, "reads": "image"}, "dino3", "exact"),
    ({**FEW, "reads": "image", "commercial": "yes"}, "dino2", "exact"),
    ({**FEW, "reads": "image", "domain": "special", "train": "yes"}, "dino3", "exact"),
    # one machine: a graph while memory allows, codes beyond, several machines at last
    ({"later": 1_000_000}, "siglip2", "hnsw"),
    ({"later": 1_000_000, "memory": 2 * GB}, "siglip2", "ivf-rabitq"),
    ({"later": 20_000_000}, "siglip2", "ivf-rabitq"),
    ({"later": 5_000_000_000}, "siglip2", "milvus"),
    ({"now": 10_000_000, "later": 1_000, "memory": 64 * GB}, "siglip2", "hnsw-or-codes"),
    # filters, tenants, changes, what is there already
    ({"later": 1_000_000, "filters": "yes"}, "siglip2", "qdrant"),
    ({"later": 1_000_000, "tenants": "yes"}, "siglip2", "qdrant"),
    ({"later": 1_000_000, "updates": "yes"}, "siglip2", "qdrant"),
    ({**FEW, "updates": "yes"}, "siglip2", "exact"),
    ({"later": 1_000_000, "filters": "yes", "database": "postgres"}, "siglip2", "pgvector"),
    ({"later": 5_000_000_000, "database": "postgres"}, "siglip2", "milvus"),
    ({"later": 1_000_000, "database": "milvus", "tenants": "yes"}, "siglip2", "milvus"),
    ({"later": 1_000_000, "database": "weaviate"}, "siglip2", "weaviate"),
    ({"later": 1_000_000, "database": "pinecone"}, "siglip2", "pinecone"),
    ({**FEW, "filters": "yes"}, "siglip2", "exact-if-it-filters"),
    # where it runs
    ({**FEW, "runs": "hosted"}, "jina", "exact"),
    ({"later": 1_000_000, "runs": "hosted", "tenants": "yes"}, "jina", "pinecone"),
    ({**FEW, "runs": "space"}, "conse", "exact"),
    ({**FEW, "runs": "space", "reads": "image"}, "classifier", "exact"),
    ({**FEW, "runs": "offline", "reads": "image"}, "classifier", "exact"),
    ({"later": 1_000_000, "runs": "offline", "filters": "yes"}, "conse", "qdrant"),
    ({"later": 1_000_000, "runs": "space", "filters": "yes"}, "conse", "lancedb"),
]


@pytest.mark.parametrize(("answers", "embedder", "engine"), SCENARIOS)
def test_what_an_expert_would_say(
    lab: Lab, answers: dict[str, Any], embedder: str, engine: str
) -> None:
    found = stack(lab, **answers)
    small = "exact" if filters(ENGINES["exact"], INDEXES.spec("exact")) else "qdrant"
    either = {"hnsw-or-codes": ("hnsw", "ivf-rabitq"), "exact-if-it-filters": (small,)}
    wanted = either.get(engine, (engine,))
    assert found[0] == embedder
    assert found[1] in wanted


def test_there_are_scenarios_enough() -> None:
    assert len(SCENARIOS) >= 20


def test_the_larger_of_now_and_later_counts(lab: Lab) -> None:
    assert advised(lab, now=10_000_000, later=10).size == advised(lab, now=1, later=10**7).size


def test_a_domain_that_may_be_trained_begins_with_a_projection(lab: Lab) -> None:
    told = advised(lab, domain="special", train="yes").best.reasons
    assert any("projection trained on frozen vectors" in each.text for each in told)
    untrained = advised(lab, domain="special").best.reasons
    assert any("evaluate on a few hundred" in each.text for each in untrained)


def test_the_runner_up_is_another(lab: Lab) -> None:
    for answers, *_ in SCENARIOS:
        advice = advised(lab, **answers)
        best, second = advice.best, advice.second
        assert best.model.title != second.model.title or best.kept.engine != second.kept.engine
        assert len(advice.panels) == len(set(advice.panels)) <= 4
        for panel in advice.panels:
            found = Panel.parse(panel)
            assert EMBEDDERS.spec(found.embedder).metric in INDEXES.spec(found.index).metrics


# --- what must never be recommended ---------------------------------------------------------------


def drawn(count: int) -> list[dict[str, Any]]:
    chance = random.Random(0)
    return [
        {
            **{each.name: chance.choice(each.answers)[0] for each in QUESTIONS},
            "now": 10 ** chance.randrange(10),
            "later": 10 ** chance.randrange(12),
            "memory": 10 ** chance.randrange(8, 13),
        }
        for _ in range(count)
    ]


def test_never_what_the_use_the_place_or_the_filters_forbid(lab: Lab) -> None:
    answered = 0
    for answers in drawn(150):
        need = Need(**answers)
        try:
            advice = choose(lab, lab.gallery("stamps"), need)
        except Exception as error:
            assert "may be recommended for that" in str(error), answers
            assert need.runs in ("space", "offline"), answers
            continue
        answered += 1
        for each in (advice.best, advice.second):
            _allowed(need, each, answers)
    assert answered > 120


def _allowed(need: Need, each: Stack, answers: dict[str, Any]) -> None:
    model, kept = each.model, each.kept
    if need.commercial == "yes":
        assert model.licence and model.licence.commercial != "no", answers
        assert kept.engine.free, answers
    if need.filters == "yes":
        assert filters(kept.engine, kept.spec), answers
    if need.tenants == "yes":
        assert kept.engine.tenants, answers
    if need.runs in ("space", "offline"):
        assert model.ready, answers
        assert kept.ready or kept.engine.name == need.database, answers
    if need.reads != "image":
        assert model.role.text, answers


def test_a_licence_that_forbids_the_use_is_left_out(lab: Lab) -> None:
    bound = Licence("CC-BY-NC-4.0", "no", "https://creativecommons.org/licenses/by-nc/4.0/")
    spec = Spec("x-clip", "X", "none:None", dim=8, reads_text=True, licence=bound)
    model = Model(ROLES["clip"], spec, State("ready"))
    assert "CC-BY-NC-4.0, is not for commercial use" in forbids(model, Need(commercial="yes"))
    assert not forbids(model, Need())
    unknown = Model(ROLES["clip"], Spec("y", "Y", "none:None"), State("ready"))
    assert "unknown" in forbids(unknown, Need(commercial="yes"))


def test_a_small_gallery_left_out_says_why(lab: Lab) -> None:
    left = dict(advised(lab, runs="space").left_out)
    assert "public Space" in left["OpenCLIP ViT-B/32"]


def test_measured_quality_decides_once_all_are_measured(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"conse-lite0": (0.9, 0.95)}

    def names() -> list[str]:
        conse = Rule("conse", ("conse",), "", "")
        found = candidates.models(lab, conse, lambda spec: rates.get(spec.name))
        return [model.spec.name for model in found if model.spec]

    assert names() == ["conse-lite2", "conse-lite0"]  # one of the two is not measured yet
    rates["conse-lite2"] = (0.8, 0.85)
    assert names() == ["conse-lite0", "conse-lite2"]
    rates["conse-lite2"] = (0.8, 0.92)  # the better one is within its interval
    assert names() == ["conse-lite2", "conse-lite0"]


# --- names, rules, questions ----------------------------------------------------------------------


def test_every_name_is_in_a_registry_or_said_to_be_outside(lab: Lab) -> None:
    for engine in ENGINES.values():
        assert not engine.lab or engine.lab in INDEXES.names()
        assert registered(engine, INDEXES.specs()), engine.name
    for answers, *_ in SCENARIOS:
        advice = advised(lab, **answers)
        for each in (advice.best, advice.second):
            parts = (
                (each.model.title, each.model.spec),
                (each.kept.engine.title, each.kept.spec),
            )
            for title, spec in parts:
                assert spec or f"{title} is not in this lab." in each.against
    for case in ELSEWHERE:
        for panel in case.panels:
            found = Panel.parse(panel.format(embedder="conse-lite2"))
            assert EMBEDDERS.spec(found.embedder).metric in INDEXES.spec(found.index).metrics


def test_the_ends_of_the_range_are_answered(lab: Lab) -> None:
    assert advised(lab, now=1, later=1).size == "exact"
    assert advised(lab, now=MOST, later=MOST).size == "beyond"


def test_the_memory_is_that_of_the_larger_number(lab: Lab) -> None:
    answers = {"now": 20_000_000, "later": 1_000, "memory": GB}
    (text,) = (each.text for each in advised(lab, **answers).best.costs if "Memory" in each.text)
    assert "more than the 1 GB there are" in text
    (least,) = (
        each.text for each in advised(lab, **FEW).best.costs if each.text.startswith("Memory")
    )
    assert "more than" not in least


def test_what_stands_in_for_the_first_choice_has_its_own_reason(lab: Lab) -> None:
    told = [each.text for each in advised(lab, **FEW, runs="space", reads="image").best.reasons]
    assert ROLES["classifier"].merit in told  # no self-supervised one, of which the rule speaks
    first = [each.text for each in advised(lab, **FEW, reads="image").best.reasons]
    assert ROLES["dino3"].merit not in first
