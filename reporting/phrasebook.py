"""The phrases of one language, read from `data/phrases_<language>.toml`, with their agreement."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from pydantic import Field

from findings.catalogue import Gender, describe
from findings.claims import Frozen
from findings.regions import Region
from findings.vocabulary import Finding, Language

Forms = tuple[str, str, str, str]
"""An adjective: masculine and feminine singular, masculine and feminine plural."""


class Noun(Frozen):
    """How one finding is named inside a sentence."""

    noun: str = ""
    """The name; `{side}` marks where the side stands inside it. Empty: the catalogue's."""
    placed: str = ""
    """The name where a place follows, if shorter."""
    both: str = ""
    """What is said of two sides."""
    gender: Gender = "m"
    plural: bool = False
    mass: bool = False
    """Takes no article."""
    scale: str = "default"
    beside: bool = False
    """The side is said beside the noun ("left pleural effusion")."""


class PhraseBook(Frozen):
    """Every phrase of one language; `docs/phrasing.md` explains the keys and slots."""

    language: Language
    words: dict[str, str]
    order: str
    articles: Forms
    """Indefinite articles."""
    verbs: dict[str, tuple[str, str]]
    """Singular and plural of the verb slots."""
    sides: dict[str, Forms]
    sided: dict[str, Forms]
    """Sides of nouns that do not take the plain adjective ("left-sided")."""
    severity: dict[str, dict[str, Forms]]
    degree: dict[str, str]
    """Adverbs of severity, for states."""
    present: dict[str, tuple[str, ...]]
    impression: dict[str, tuple[str, ...]]
    absent: dict[str, tuple[str, ...]]
    change: dict[str, tuple[str, ...]]
    undecided: dict[str, str]
    """By finding, or `default`."""
    doubt: dict[str, str]
    """Why something could not be judged."""
    new: Forms
    measurement: dict[str, str]
    names: dict[str, str]
    units: dict[str, str]
    provenance: dict[str, str]
    technique: dict[str, str]
    comparison: dict[str, str]
    fixed: dict[str, str]
    states: dict[Finding, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    nouns: dict[Finding, Noun]
    regions: dict[Region, str]

    def noun(self, finding: Finding) -> Noun:
        """The grammar of a finding, with the catalogue's name and gender where none is given."""
        entry = describe(finding)
        row = self.nouns.get(finding, Noun(gender=entry.gender))
        return row.model_copy(update={"noun": row.noun or entry.name(self.language)})


def agree(forms: Forms, gender: Gender, plural: bool) -> str:
    """The form of an adjective that goes with a noun."""
    return forms[2 * plural + (gender == "f")]


@cache
def phrase_book(language: Language) -> PhraseBook:
    """The phrases of a language, read once."""
    name = f"phrases_{language.value}.toml"
    table = tomllib.loads(resources.files("reporting").joinpath("data", name).read_text("utf-8"))
    for key, row in table["nouns"].items():
        row.setdefault("gender", describe(Finding(key)).gender)
    return PhraseBook.model_validate({"language": language, **table})
