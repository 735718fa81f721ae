"""What sending a gallery would cost, said before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.types import Spec


@dataclass(frozen=True)
class Estimate:
    """Upper bounds for one gallery.

    Attributes:
        embedder: its name.
        gallery: its name.
        pictures: how many would be sent.
        tokens: that a picture counts for, at most; 0 where no rule was found.
        rule: where that is said.
        price: dollars for a million of tokens; 0 where none was found.
        read: when and by whom the price was quoted.
        link: where the price of today stands.
    """

    embedder: str
    gallery: str
    pictures: int
    tokens: int
    rule: str
    price: float
    read: str
    link: str

    @property
    def dollars(self) -> float | None:
        """For all pictures, at most; none where something of it is not known."""
        known = self.tokens and self.price
        return self.pictures * self.tokens * self.price / 1e6 if known else None

    def sentence(self) -> str:
        """The figures as a person reads them."""
        tokens = (
            f"at most {self.tokens:,} tokens each, {self.pictures * self.tokens:,} in all "
            f"({self.rule})"
            if self.tokens
            else "tokens for a picture unknown"
        )
        price = (
            f"${self.dollars:,.2f} at ${self.price:.2f} a million ({self.read}; now: {self.link})"
            if self.dollars is not None
            else f"price unknown, see {self.link}"
        )
        return f"{self.pictures:,} pictures of {self.gallery}, {tokens}; {price}"


def estimate(spec: Spec, gallery: str, pictures: int) -> Estimate:
    """What a hosted embedder would charge for a gallery, by what its spec knows of prices."""
    return Estimate(
        spec.name,
        gallery,
        pictures,
        spec.param("tokens", 0),
        spec.param("tokens_rule", ""),
        spec.param("price", 0.0),
        spec.param("price_read", ""),
        spec.param("price_link", ""),
    )
