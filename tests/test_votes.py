"""What people said of two answers without names."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import BadQuery, NotReady
from retrieval.lab import Lab
from retrieval.measure import tally
from retrieval.measure.votes import MOST, Vote, Votes, current, handed, parsed, votes
from tests.held import ending

ONE, OTHER = "conse-lite2@exact", "captions@exact"


def vote(number: int = 0, **more: Any) -> Vote:
    """A vote for the left one, with two pictures marked."""
    given: dict[str, Any] = {
        "id": f"ballot-{number}",
        "at": "2026-11-23T00:00:00+00:00",
        "gallery": "stamps",
        "revision": "1",
        "text": f"query {number}",
        "row": None,
        "seed": number,
        "left": ONE,
        "right": OTHER,
        "shown_left": (1, 2, 3),
        "shown_right": (3, 4, 5),
        "choice": "left",
        "marked": (1, 3),
    }
    return Vote(**{**given, **more})


def drawn(count: int) -> list[Vote]:
    """Votes at random, some queries asked twice, some without marks."""
    draws = random.Random(4)
    made = []
    for number in range(count):
        left, right = (tuple(draws.sample(range(30), 10)) for _ in "ab")
        seen = [*left, *right]
        marked = tuple(dict.fromkeys(draws.sample(seen, draws.randrange(6))))
        sides = draws.choice([(ONE, OTHER), (OTHER, ONE)])
        made.append(
            vote(
                number,
                text=f"query {number % (count // 2)}",
                left=sides[0],
                right=sides[1],
                shown_left=left,
                shown_right=right,
                choice=draws.choice(["left", "right", "tie"]),
                marked=marked if draws.random() < 0.8 else None,
            )
        )
    return made


# --- what they come to ----------------------------------------------------------------------------


def test_ndcg_of_votes_is_that_of_trec_eval() -> None:
    import pytrec_eval

    given = [replace(each, marked=each.marked or ()) for each in drawn(60)]
    lines = [line.split() for line in tally.qrels(given).splitlines()]
    judged: dict[str, dict[str, int]] = {}
    for query, _, row, right in lines:
        judged.setdefault(query, {})[row] = int(right)
    asked = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut"})
    for gain in tally.gains(given):
        run = {
            query: {str(row): float(-rank) for rank, row in enumerate(rows)}
            for query, rows in tally.runs(given)[gain.panel].items()
        }
        found = asked.evaluate(run)
        able = [query for query in found if any(judged[query].values())]
        known = float(np.mean([found[query]["ndcg_cut_10"] for query in able]))
        assert gain.ndcg == pytest.approx(known, abs=1e-9)
        assert gain.queries == len(able) and gain.low <= gain.ndcg <= gain.high


def test_a_win_rate_leaves_ties_out_and_has_its_interval() -> None:
    given = [vote(at, choice="left") for at in range(6)]
    given += [vote(6, left=OTHER, right=ONE, choice="left"), vote(7, choice="tie")]
    given += [vote(8, choice="")]
    (found,) = tally.contests(given)
    assert (found.one, found.other) == (OTHER, ONE)
    assert (found.won, found.lost, found.ties) == (1, 6, 1)
    assert found.rate == pytest.approx(1 / 7)
    low, high = found.interval
    assert low < 1 / 7 < high < 0.6
    (tied,) = tally.contests([vote(choice="tie")])
    assert tied.rate is None and tied.interval == (0.0, 1.0)


def test_judgements_are_what_most_say() -> None:
    one, two, three = (
        vote(1, text="q", marked=(1,)),
        vote(2, text="q"),
        vote(3, text="q", marked=()),
    )
    found = tally.judged([one, two, three])[one.query]
    assert found == {1: True, 2: False, 3: False, 4: False, 5: False}
    assert tally.judged([vote(marked=None)]) == {}
    assert tally.gains([vote(marked=())]) == []  # nothing is right: it says nothing


def test_exports_can_be_read_by_others() -> None:
    given = [vote(1), vote(2, text=None, row=7), vote(3, text="=HYPERLINK(1)")]
    lines = [line.split(" ") for line in tally.qrels(given).splitlines()]
    assert {len(each) for each in lines} == {4}
    assert {each[0] for each in lines} == {each.query for each in given}
    table = tally.as_csv(given)
    assert table.startswith("query,text,row,relevant\n") and "row-7,,1,1" in table
    assert "'=HYPERLINK(1)" in table


# --- what is kept ---------------------------------------------------------------------------------


def test_they_are_kept_and_read(tmp_path: Path) -> None:
    store = Votes(tmp_path)
    assert store.read("stamps") == ([], 0)
    for number in range(3):
        store.add(vote(number, text="\u2028 <b>&\nnew"))
    found, bad = store.read("stamps")
    assert [each.id for each in found] == ["ballot-0", "ballot-1", "ballot-2"] and bad == 0
    assert found[0] == vote(0, text="\u2028 <b>&\nnew")


def test_nobody_votes_twice(tmp_path: Path) -> None:
    store = Votes(tmp_path)
    store.add(vote())
    with pytest.raises(BadQuery, match="voted on already"):
        store.add(vote(choice="right"))
    assert store.read("stamps")[0] == [vote()]
    assert handed([asdict(vote()), asdict(vote(choice="right"))]) == [vote()]


def test_a_gallerys_name_is_no_path(tmp_path: Path) -> None:
    path = Votes(tmp_path).path("../../etc/passwd")
    assert path.parent == tmp_path


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    store = Votes(tmp_path)
    store.add(vote(1))
    path = store.path("stamps")
    path.write_bytes(path.read_bytes() + b'{"id": "half')
    store.add(vote(2))
    found, bad = store.read("stamps")
    assert [each.id for each in found] == ["ballot-1", "ballot-2"] and bad == 1


CAST = """
import sys
from pathlib import Path
from retrieval.measure.votes import Votes
from tests.test_votes import vote
store = Votes(Path(sys.argv[1]))
for number in range(100_000):
    store.add(vote(number))
    print(number, flush=True)
"""


def test_a_kill_loses_no_vote_that_was_cast(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CAST, str(tmp_path)]
    with ending(subprocess.Popen(command, stdout=subprocess.PIPE)) as child:
        assert child.stdout is not None
        assert [int(child.stdout.readline()) for _ in range(20)] == list(range(20))
        child.kill()
        last = int([b"19", *child.stdout.read().split()][-1])
    store = Votes(tmp_path)
    assert len(store.read("stamps")[0]) >= last + 1
    store.add(vote(999_999))
    assert store.read("stamps")[0][-1].id == "ballot-999999"


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="cannot be written"):
        Votes(tmp_path / "file").add(vote())


def test_votes_on_other_pictures_are_left_out(tmp_path: Path) -> None:
    stamps = Lab(cache=tmp_path).gallery("stamps")
    mine = vote(1, revision=stamps.revision)
    lost = vote(2, revision=stamps.revision, shown_left=(99_999,), marked=())
    assert current(stamps, [mine, lost, vote(3), vote(4, gallery="clipart")]) == [mine]


# --- what anybody may send ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"choice": "both"}, "left, right or tie"),
        ({"choice": "", "marked": None}, "nothing was chosen"),
        ({"choice": 5}, "choice of a vote"),
        ({"marked": [9]}, "not shown"),
        ({"marked": [1, 1]}, "different rows"),
        ({"marked": [-1]}, "whole number"),
        ({"marked": [True]}, "whole number"),
        ({"marked": "12"}, "different rows"),
        ({"shown_left": list(range(11))}, "at most 10"),
        ({"text": None}, "a text or on a row"),
        ({"row": 5}, "a text or on a row"),
        ({"text": "x" * 2_001}, "at most 2,000"),
        ({"text": "\ud800"}, "text of a vote"),
        ({"left": "nonsense"}, "EMBEDDER@INDEX"),
        ({"seed": 1e9}, "whole number"),
        ({"seed": 10**400}, "whole number"),
        ({"more": 1}, "other fields"),
    ],
)
def test_what_is_no_vote(change: dict[str, object], why: str) -> None:
    with pytest.raises(BadQuery, match=why):
        parsed({**asdict(vote()), **change})


def test_a_heap_of_votes_is_refused() -> None:
    with pytest.raises(BadQuery, match="list of at most"):
        handed([0] * (MOST + 1))
    with pytest.raises(BadQuery, match="list of at most"):
        handed({})
    assert handed(
        [[], 5, None, {"id": 1}, asdict(vote()), {**asdict(vote(1)), "left": "x@y?z"}]
    ) == [vote()]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["votes", "--cache", str(tmp_path)]
    assert main(asked) == 2
    assert "nobody has voted on stamps here" in capsys.readouterr().err
    lab = Lab(cache=tmp_path)
    revision = lab.gallery("stamps").revision
    for number in range(4):
        votes(lab).add(vote(number, revision=revision))
    votes(lab).add(vote(9))
    assert main([*asked, "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert (given["votes"], given["outdated"], given["unreadable"]) == (4, 1, 0)
    assert given["contests"][0]["lost"] == 4 and len(given["ndcg"]) == 2
    assert main([*asked, "--qrels"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4 * 5
    assert main([*asked, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("query,text,row,relevant\n")
    assert main(asked) == 0
    assert "win rate" in capsys.readouterr().out
