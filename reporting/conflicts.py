"""A ledger's disagreements, which it keeps in English, in the languages of the reports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from findings.catalogue import describe, region_name
from findings.regions import Region
from findings.vocabulary import Finding, Language
from reporting.labels import Labels, labels
from reporting.ledger import Disagreement, DisagreementType, LedgerEntry
from reporting.remarks import Remarks, remarks

_POLARITY: Final = re.compile(r"(.+) for, (.+) against")
_HIERARCHY: Final = re.compile(r"(\w+) denied, (\w+) stated")
_KIND: Final = re.compile(r"the hierarchy: (\w+) is a kind of (\w+)")
_SAYS: Final = re.compile(r"([^,]+) says (\w+)")
_DECIMAL: Final = re.compile(r"(?<=\d)\.(?=\d)")
_NUMBER: Final = re.compile(r"(\w+) \[(.*?)\]: (.+)")


def conflict_in(language: Language, conflict: Disagreement) -> tuple[str, str]:
    """What the voices said and what settled it, in a language.

    Words that are not known there stay as they are.
    """
    said = remarks(language)
    if not said.conflicts:
        return conflict.detail, conflict.settled_by
    return _detail(conflict, said, labels(language)), _settled(conflict.settled_by, said, language)


def conflicts_in(language: Language, entries: Iterable[LedgerEntry]) -> list[str]:
    """What the voices on these entries said against one another, a line for each conflict."""
    return [
        conflict_in(language, conflict)[0] for entry in entries for conflict in entry.disagreements
    ]


def _detail(conflict: Disagreement, said: Remarks, words: Labels) -> str:
    text, language = conflict.detail, words.language
    if conflict.type is DisagreementType.POLARITY:
        if (sides := _POLARITY.fullmatch(text)) is not None:
            return said.conflict("for_against", affirm=sides[1], deny=sides[2])
        if (kinds := _HIERARCHY.fullmatch(text)) is not None:
            names = (_finding(kinds[1], language), _finding(kinds[2], language))
            return said.conflict("denied_stated", denied=names[0], stated=names[1])
        return text
    if conflict.type is DisagreementType.NUMBER:
        measured = _NUMBER.fullmatch(text)
        if measured is None:
            return text
        name = words.measurement_names.get(measured[1], measured[1].replace("_", " "))
        unit = "" if measured[2] == "1" else f" [{measured[2]}]"
        return f"{name}{unit}: {_DECIMAL.sub(said.decimal, measured[3])}"
    return _SAYS.sub(
        lambda one: said.conflict("says", expert=one[1], value=_value(one[2], said, words)), text
    )


def _settled(text: str, said: Remarks, language: Language) -> str:
    kinds = _KIND.fullmatch(text)
    if kinds is None:
        return said.settled.get(text, text)
    names = (_finding(kinds[1], language), _finding(kinds[2], language))
    return said.conflict("hierarchy", kind=names[0], parent=names[1])


def _finding(name: str, language: Language) -> str:
    return describe(Finding(name)).name(language) if name in set(Finding) else name


def _value(name: str, said: Remarks, words: Labels) -> str:
    """A side, a region, a severity or a change; no two of them share a name."""
    if name in set(Region):
        return region_name(Region(name), words.language)
    return words.sides.get(name) or said.graded.get(name, name)
