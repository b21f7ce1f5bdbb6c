"""What a review says of a line, and why an entry was decided so, in the reports' languages."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Final

from pydantic import Field

from findings.catalogue import describe
from findings.claims import Frozen
from findings.vocabulary import Finding, Language, Side

_KIND: Final = re.compile(r"A kind of it, (\w+), is stated instead\.")


class Remarks(Frozen):
    """`data/remarks_<language>.toml`, validated."""

    and_: str = Field(alias="and")
    place_left: str
    place_right: str
    decimal: str
    review: dict[str, str]
    heads: dict[str, str]
    reasons: dict[str, str] = Field(
        default_factory=dict, description="a ledger's reason in English -> in this language"
    )
    conflicts: dict[str, str] = Field(
        default_factory=dict, description="how voices disagree; empty: as the ledger words it"
    )
    settled: dict[str, str] = Field(
        default_factory=dict, description="what settled a disagreement -> in this language"
    )
    graded: dict[str, str] = Field(
        default_factory=dict, description="a severity or a change -> in this language"
    )

    def say(self, key: str, **values: str) -> str:
        """A remark with its values put in. They are text from the report and stay text."""
        return _filled(self.review[key], values)

    def conflict(self, key: str, **values: str) -> str:
        """What voices said against one another, with its values put in."""
        return _filled(self.conflicts[key], values)

    def sides(self, sides: list[Side]) -> str:
        """Sides as the place of something."""
        named = {Side.LEFT: self.place_left, Side.RIGHT: self.place_right}
        return f" {self.and_} ".join(named[side] for side in sides)

    def number(self, value: float, form: str = "g") -> str:
        """A number with the language's decimal sign."""
        return f"{value:{form}}".replace(".", self.decimal)


def _filled(form: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: values[slot[1]], form)


@cache
def remarks(language: Language) -> Remarks:
    """The remarks of a language, read once."""
    name = f"remarks_{language.value}.toml"
    text = resources.files("reporting").joinpath("data", name).read_text("utf-8")
    return Remarks.model_validate(tomllib.loads(text))


def reason_in(language: Language, reason: str) -> str:
    """A ledger entry's reason, which the ledger keeps in English, in a language.

    One that is not known there stays as it is.
    """
    known = remarks(language).reasons
    kind = _KIND.fullmatch(reason)
    if kind is None or not known:
        return known.get(reason, reason)
    finding = describe(Finding(kind[1])).name(language)
    return known["A kind of it, {finding}, is stated instead."].replace("{finding}", finding)
