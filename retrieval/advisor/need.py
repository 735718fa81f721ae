"""What a project needs: the questions, and the answers to them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from retrieval.errors import BadQuery
from retrieval.runtime.machine import memory

MOST = 10**12
"""Pictures that can be asked about; more than there are on the web."""


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes:
        name: the field of ``Need``.
        asks: what people read.
        answers: (value, what people read), the first is the default.
        help: one short sentence, or nothing.
        main: it is one of the three that decide most.
    """

    name: str
    asks: str
    answers: tuple[tuple[str, str], ...]
    help: str = ""
    main: bool = False


YES = (("no", "No"), ("yes", "Yes"))
QUESTIONS = (
    Question(
        "reads",
        "What is the query?",
        (("text", "Text"), ("image", "Image"), ("both", "Both")),
        main=True,
    ),
    Question(
        "domain",
        "What do the pictures show?",
        (("general", "Anything"), ("special", "A domain of its own")),
        "Of its own: X-rays, satellites, parts, fabrics.",
        main=True,
    ),
    Question("train", "May it be trained?", YES, "On labels or captions of yours.", main=True),
    Question("languages", "Query languages", (("english", "English"), ("many", "Several"))),
    Question("commercial", "Commercial use", YES),
    Question(
        "runs",
        "Where does it run?",
        (
            ("cpu", "One machine"),
            ("gpu", "With a GPU"),
            ("offline", "No network"),
            ("space", "Public Space"),
            ("hosted", "Hosted services"),
        ),
    ),
    Question("filters", "Filters", YES, "By shop, date, price."),
    Question("tenants", "Several tenants", YES, "Each sees its own pictures alone."),
    Question("updates", "Changes all day", YES, "Pictures come and go."),
    Question(
        "database",
        "A database already there",
        (
            ("none", "None"),
            ("postgres", "PostgreSQL"),
            ("qdrant", "Qdrant"),
            ("milvus", "Milvus"),
            ("weaviate", "Weaviate"),
            ("pinecone", "Pinecone"),
        ),
    ),
)
WORDS = {each.name: [value for value, _ in each.answers] for each in QUESTIONS}


@dataclass(frozen=True)
class Need:
    """What a project needs.

    Attributes:
        reads: what the query is: text, image or both.
        domain: general, or special for a domain of its own.
        train: whether it may be trained.
        now: pictures today.
        later: pictures in two years.
        languages: english, or many.
        commercial: whether it is used commercially.
        runs: cpu, gpu, offline, space or hosted.
        filters: whether answers are filtered by columns.
        tenants: whether several users each see their own pictures alone.
        updates: whether pictures come and go all day.
        database: one that is there already, or none.
        ms: milliseconds that the search of one query may take, at most.
        memory: bytes of memory where it runs.
    """

    reads: str = "text"
    domain: str = "general"
    train: str = "no"
    now: int = 10_000
    later: int = 100_000
    languages: str = "english"
    commercial: str = "no"
    runs: str = "cpu"
    filters: str = "no"
    tenants: str = "no"
    updates: str = "no"
    database: str = "none"
    ms: float = 20.0
    memory: float = field(default_factory=lambda: float(memory()))

    @property
    def most(self) -> int:
        """Pictures, the more of now and later."""
        return max(self.now, self.later)

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Need:
        """From what was sent; what is left out has its default, what is not asked is ignored.

        ``memory`` is sent in GB; ``later`` is at least ``now``.

        Raises:
            BadQuery: an answer that is none of the question's, or a number out of range.
        """
        answers = {name: _word(given, name) for name in WORDS if name in given}
        numbers = {
            name: int(_number(given[name], f"{name} (pictures)", 1, MOST, whole=True))
            for name in ("now", "later")
            if name in given
        }
        if "now" in numbers:  # nobody has fewer later who does not say so
            numbers.setdefault("later", max(numbers["now"], cls.later))
        rest = {"ms": _number(given["ms"], "ms", 0.1, 1e5)} if "ms" in given else {}
        if given.get("memory") is not None:
            rest["memory"] = 1e9 * _number(given["memory"], "memory (GB)", 0.1, 1e6)
        return cls(**answers, **numbers, **rest)  # type: ignore[arg-type]

    def told(self) -> dict[str, str | int | float]:
        """As JSON has it, memory in bytes."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def _word(given: Mapping[str, object], name: str) -> str:
    value = given[name]
    if isinstance(value, str) and value in WORDS[name]:
        return value
    raise BadQuery(f"{name} is {str(value)[:40]!r}; it must be one of {', '.join(WORDS[name])}")


def _number(value: object, name: str, low: float, high: float, whole: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadQuery(f"{name} must be a number from {low:,.15g} to {high:,.15g}")
    if not low <= value <= high:  # NaN is in no range
        raise BadQuery(f"{name} is {str(value)[:20]}; it must be from {low:,.15g} to {high:,.15g}")
    if whole and value != int(value):
        raise BadQuery(f"{name} is {value}; it must be a whole number")
    return value
