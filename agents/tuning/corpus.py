"""The reports that tuning data are made of: read, split by patient, each text once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from findings.vocabulary import Language
from models.language.pairs import Part
from retrieval.corpora import openi, padchest
from retrieval.corpora.report import CorpusReport, fold

_HELD_OUT_BELOW: Final = 38
_VALIDATION_BELOW: Final = 51
"""Of 256: fifteen patients in a hundred are held out, five validate."""


@dataclass(frozen=True)
class Split:
    """One corpus by parts; no text and no patient is in two of them."""

    reports: dict[Part, tuple[CorpusReport, ...]]
    repeated: int
    """Reports left out because an earlier one has the same words."""


def part_of(patient: str) -> Part:
    """The part a patient belongs to, by hash, so that it never changes."""
    first = hashlib.sha256(f"tuning:{patient}".encode()).digest()[0]
    if first < _HELD_OUT_BELOW:
        return Part.HELD_OUT
    return Part.VALIDATION if first < _VALIDATION_BELOW else Part.TRAIN


def split(reports: Iterable[CorpusReport]) -> Split:
    """Reports by part. Of equal texts the first held-out one is kept, else the first."""
    parts: dict[Part, list[CorpusReport]] = {part: [] for part in Part}
    for report in reports:
        parts[part_of(report.patient)].append(report)
    seen: set[str] = set()
    kept: dict[Part, tuple[CorpusReport, ...]] = {}
    for part in (Part.HELD_OUT, Part.VALIDATION, Part.TRAIN):
        new = []
        for report in parts[part]:
            words = fold(report.text or report.display)
            if words not in seen:
                seen.add(words)
                new.append(report)
        kept[part] = tuple(new)
    total = sum(len(found) for found in parts.values())
    return Split(kept, total - sum(len(found) for found in kept.values()))


def english(corpora: Path) -> Split:
    """The Open-i reports. Raises `IndexUnavailableError` where they are not there."""
    return split(openi.read_openi(corpora / openi.ARCHIVE))


def spanish(corpora: Path, most: int) -> Split:
    """PadChest's reports, as findings and places; the first `most` of them.

    Raises `IndexUnavailableError` where the table is not there.
    """
    return split(_first(padchest.read_padchest(corpora / padchest.TABLE), most))


def _first(reports: Iterator[CorpusReport], most: int) -> Iterator[CorpusReport]:
    for number, report in enumerate(reports):
        if number == most:
            return
        if report.language is Language.SPANISH:
            yield report
