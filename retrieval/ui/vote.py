"""The blind vote: two answers without names, and what the votes come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from retrieval.errors import BadQuery, LabError
from retrieval.galleries.base import Gallery
from retrieval.measure.tally import Contest, Gain, as_csv, contests, gains, qrels
from retrieval.measure.votes import MOST, SHOWN, Choice, Vote, current, handed, votes
from retrieval.panel import Panel
from retrieval.ui import fields
from retrieval.ui.address import PANELS
from retrieval.ui.answers import Answers
from retrieval.ui.ballots import Ballot, Ballots
from retrieval.ui.figures import escape
from retrieval.ui.menu import Menu
from retrieval.ui.takeaway import takeaway
from retrieval.ui.thumbs import thumb, version

FEW = 5
"""Queries below which an interval of their mean says nothing."""
SIDES = ("Left", "Right")
CHOICES = {"left": "Left is better", "tie": "No difference", "right": "Right is better"}
Act = Callable[[object], dict[str, Any]]


class BlindVote:
    """Draws ballots, takes votes, and counts them.

    Args:
        answers: whose lab and menu.
    """

    def __init__(self, answers: Answers) -> None:
        self.lab = answers.lab
        self.menu = answers.menu
        self.start = answers.start
        self.ballots = Ballots(answers.lab)

    def acts(self) -> dict[str, Act]:
        """What can be asked, by the last part of its path."""
        return {"tally": self.tally, "next": self.next, "cast": self.cast, "export": self.export}

    def tally(self, given: object) -> dict[str, Any]:
        """What the votes come to, and a way to the first pair.

        Raises:
            LabError: a part of what was sent is unknown, or of another form.
        """
        sent = fields.mapping(given)
        return {"vote": self._page(sent, _begin(self._panels(sent)))}

    def next(self, given: object) -> dict[str, Any]:
        """A pair to vote on.

        Raises:
            LabError: there is none.
        """
        sent = fields.mapping(given)
        ballot = self.ballots.draw(self._gallery(sent), self._panels(sent))
        return {"vote": self._page(sent, drawn(ballot), counted=False)}

    def cast(self, given: object) -> dict[str, Any]:
        """Take a vote: kept here on one's own machine, else given back to be kept.

        Raises:
            LabError: it is none, or its pair was voted on already.
        """
        sent = fields.mapping(given)
        choice, marked = fields.text(sent, "choice"), _marked(sent.get("marked"))
        panels = self._panels(sent)
        keep = None if self.lab.public else votes(self.lab).add
        vote = self.ballots.cast(fields.text(sent, "ballot"), cast(Choice, choice), marked, keep)
        kept = asdict(vote)
        if self.lab.public:
            mine = sent.get("votes", [])
            sent = {**sent, "votes": [*mine[-MOST + 1 :], kept] if isinstance(mine, list) else []}
        body = f"{_told(vote, self.menu)}{_begin(panels, 'Next pair')}"
        page = {"vote": self._page({**sent, "gallery": vote.gallery}, body)}
        return {**page, "kept": kept} if self.lab.public else page

    def export(self, given: object) -> dict[str, Any]:
        """The judgements as a file's text.

        Raises:
            LabError: the kind is unknown, or there are none.
        """
        sent = fields.mapping(given)
        kind = fields.text(sent, "kind")
        if kind not in ("qrels", "csv"):
            raise BadQuery("judgements are given as qrels or as csv")
        found = self._votes(sent, self._gallery(sent))
        return {"text": qrels(found) if kind == "qrels" else as_csv(found)}

    def _gallery(self, sent: Mapping[str, object]) -> Gallery:
        return self.lab.gallery(fields.text(sent, "gallery", self.start.gallery))

    def _panels(self, sent: Mapping[str, object]) -> list[Panel]:
        texts = fields.texts(sent, "panels", PANELS)
        return [self.menu.fit(Panel.parse(each))[0] for each in dict.fromkeys(texts) if each]

    def _votes(self, sent: Mapping[str, object], gallery: Gallery) -> list[Vote]:
        """Of this machine, or those that the visitor's browser keeps."""
        if self.lab.public:
            return current(gallery, handed(sent.get("votes", [])))
        return current(gallery, votes(self.lab).read(gallery.name)[0])

    def _page(self, sent: Mapping[str, object], body: str, counted: bool = True) -> str:
        found = self._votes(sent, self._gallery(sent)) if counted else []
        where = (
            "Votes stay in this browser; nothing of them is kept here."
            if self.lab.public
            else "Votes are kept on this machine, in the cache."
        )
        return (
            '<section class="task"><h2>Blind vote</h2><p class="hint">The same query by two of '
            f"the search's panels, without names and in an order at random. {where} Only pictures "
            "that one of the two showed are judged, so a panel that finds others is rated too low "
            f"(pooling bias).</p>{body}{_counts(self._gallery(sent), found, self.menu)}</section>"
        )


def _marked(given: object) -> tuple[int, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > 2 * SHOWN:
        raise BadQuery(f"marked must be a list of at most {2 * SHOWN} rows")
    if not all(type(each) is int for each in given):
        raise BadQuery("marked must be a list of rows")
    return tuple(dict.fromkeys(given))


def _begin(panels: Sequence[Panel], word: str = "Show a pair") -> str:
    if len(panels) < 2:
        return '<p class="note">It takes two panels: add a second one in the search.</p>'
    return (
        '<p class="ways begin"><button type="button" class="primary" data-vote="next">'
        f"{word}</button></p>"
    )


def drawn(ballot: Ballot) -> str:
    """A ballot as HTML that names no panel."""
    gallery, query = ballot.gallery, ballot.query
    if query.text is not None:
        asked = f"<q><bdi>{escape(query.text)}</bdi></q>"
    else:
        asked = f"like {_picture(gallery, query.row or 0, 'the query')}"
    sides = "".join(
        f'<div><h4>{side}</h4><ol class="grid">{"".join(_tile(gallery, row) for row in rows)}</ol>'
        "</div>"
        for side, rows in zip(SIDES, ballot.rows, strict=True)
    )
    ways = "".join(
        f'<button type="button" data-cast="{choice}">{word}</button>'
        for choice, word in CHOICES.items()
    )
    return (
        f'<div data-ballot="{escape(ballot.id)}"><p class="asked">Which answers better: {asked}'
        f'</p><div class="sides">{sides}</div><p class="ways begin">{ways}</p>'
        '<p class="hint">Click '
        "pictures that are right, if you like: they become judgements. Where none is, say so: "
        '<label class="switch"><input type="checkbox" data-none-right>None of them is right'
        "</label></p></div>"
    )


def _picture(gallery: Gallery, row: int, alt: str) -> str:
    source = escape(thumb(gallery.name, row, version(gallery)))
    return f'<img src="{source}" alt="{escape(alt)}" width="160" height="160" decoding="async">'


def _tile(gallery: Gallery, row: int) -> str:
    caption = gallery.caption(row) or f"picture {row}"
    return (
        f'<li class="tile"><button type="button" data-mark="{row}" aria-pressed="false">'
        f"{_picture(gallery, row, caption)}</button><p><span>{escape(caption)}</span></p></li>"
    )


def _told(vote: Vote, menu: Menu) -> str:
    """Who was who."""
    said = {"tie": "You saw no difference."}.get(vote.choice, f"You chose {vote.choice}.")
    return (
        f'<p class="lead" role="status">{said} Left was <b>{_title(vote.left, menu)}</b>, '
        f"right was <b>{_title(vote.right, menu)}</b>.</p>"
    )


def _title(text: str, menu: Menu) -> str:
    """A panel's name; its address where a browser keeps votes on what is here no more."""
    panel = Panel.parse(text)
    try:
        name = f"{menu.embedder(panel.embedder).title} × {menu.index(panel.index).title}"
    except LabError:
        return escape(text)
    return escape(name + "".join(f", {knob} {value}" for knob, value in panel.knobs))


def _counts(gallery: Gallery, found: Sequence[Vote], menu: Menu) -> str:
    if not found:
        return ""
    files = "".join(
        f'<button type="button" class="plain" data-judgements="{kind}">{word}</button>'
        for kind, word in {"qrels": "TREC qrels", "csv": "CSV"}.items()
    )
    count = "1 vote" if len(found) == 1 else f"{len(found):,} votes"
    return (
        f"{_contests(contests(found), gallery, menu)}{_gains(gains(found), gallery, menu)}"
        f'<p class="ways begin"><span>{count}. Judgements:</span>{files}</p>'
    )


def _contests(given: Sequence[Contest], gallery: Gallery, menu: Menu) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_title(each.one, menu)} <small>against</small> '
        f'{_title(each.other, menu)}</th><td data-name="won">{each.won}</td>'
        f'<td data-name="ties">{each.ties}</td><td data-name="lost">{each.lost}</td>'
        f'<td data-name="win rate">{_rate(each)}</td></tr>'
        for each in given
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Won", "Ties", "Lost", "Win rate"))
    told = [
        {**asdict(each), "rate": each.rate, "low": each.interval[0], "high": each.interval[1]}
        for each in given
    ]
    files = takeaway(f"Votes: {gallery.title}", told, gallery)
    return rows and (
        '<div><table class="figures rated"><thead><tr><th scope="col">Panels</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table>{files}</div>"
    )


def _rate(each: Contest) -> str:
    if each.rate is None:
        return "nobody chose"
    low, high = each.interval
    return f"{each.rate:.0%}<small>{low:.0%} to {high:.0%}</small>"


def _ends(each: Gain) -> str:
    """The interval, where there are queries enough to draw anew."""
    return "few" if each.queries < FEW else f"{each.low:.3f} to {each.high:.3f}"


def _gains(given: Sequence[Gain], gallery: Gallery, menu: Menu) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_title(each.panel, menu)}</th>'
        f'<td data-name="queries">{each.queries}</td><td data-name="nDCG@10">{each.ndcg:.3f}'
        f"<small>{_ends(each)}</small></td></tr>"
        for each in given
    )
    files = takeaway(f"nDCG by marked pictures: {gallery.title}", [*map(asdict, given)], gallery)
    return rows and (
        '<div><table class="figures rated"><thead><tr><th scope="col">By marked pictures</th>'
        '<th scope="col">Queries</th><th scope="col">nDCG@10</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{files}</div>"
    )
