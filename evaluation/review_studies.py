"""A review by the experts' own ledger: films with their reports, true and with planted errors.

Unlike `evaluation.review`, nothing here knows the truth: a review is as good as what the experts
see. A planted error counts as found where it raises a line that the untouched report does not.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from agents.asking import draft_to_ask
from agents.review_table import readable
from agents.settings import Settings, load_settings
from evaluation.review import SHOWS_AS, Planted, Planting, plant
from findings.catalogue import is_a
from findings.claims import Frozen
from findings.errors import NotAChestRadiographError, ReportError
from findings.vocabulary import Language
from reporting.draft import Draft
from reporting.existing_report import ExistingReport, read_report
from reporting.ledger import LedgerEntry
from reporting.review import review_report
from reporting.review_items import ItemSeverity, ItemType, ReviewItem

_TRIES: Final = 40
_LARGEST_XML: Final = 2**20


class StudyResult(Frozen):
    """Of one study: lines on the report as it is, and what was found of the planted errors."""

    name: str
    lines: dict[str, int]
    """Lines by type, and of those that accuse how many weigh more than slightly."""
    planted: dict[Planted, int]
    found: dict[Planted, int]
    accused: dict[Planted, int]
    """Found by a line that weighs more than slightly."""


def results(folder: Path, settings: Settings) -> Iterator[StudyResult]:
    """Every report `NAME.xml` (Open-i) in a folder with its first frontal film `NAME_*.png`."""
    for file in sorted(folder.glob("*.xml")):
        draft = _frontal(sorted(folder.glob(f"{file.stem}_*.png")), settings)
        if draft is not None:
            report = read_report(report_text(file), Language.ENGLISH)
            yield judged(file.stem, report, draft.ledger)


def _frontal(films: Sequence[Path], settings: Settings) -> Draft | None:
    for film in films:
        try:
            return draft_to_ask(film, settings)
        except NotAChestRadiographError:
            continue
    return None


def report_text(file: Path) -> str:
    """Findings and impression of an Open-i report. Raises `ReportError`."""
    content = file.read_bytes()[: _LARGEST_XML + 1]
    # Open-i's files declare neither entities nor document types; what does is none of them.
    if len(content) > _LARGEST_XML or b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        raise ReportError("The report's file is no Open-i report. Give the files as published.")
    parts = ElementTree.fromstring(content).iter("AbstractText")
    named = {part.get("Label", ""): part.text or "" for part in parts}
    kept = [f"{name}: {named[name]}" for name in ("FINDINGS", "IMPRESSION") if named.get(name)]
    return "\n\n".join(kept)


def judged(name: str, report: ExistingReport, ledger: Sequence[LedgerEntry]) -> StudyResult:
    """Review a report as it is, and with each error that can be planted in it."""
    before = _reviewed(report, ledger)
    known = {_key(item) for item in before}
    lines: Counter[str] = Counter()
    for item in before:
        lines[item.type.value] += 1
        lines["accusing"] += _weighs(item)
    planted, found, accused = Counter[Planted](), Counter[Planted](), Counter[Planted]()
    for planting in plantings(report):
        after = _reviewed(planting.report, ledger)
        fresh = [i for i in after if _key(i) not in known and _shows(i, planting)]
        planted[planting.kind] += 1
        found[planting.kind] += bool(fresh)
        accused[planting.kind] += any(_weighs(item) for item in fresh)
    return StudyResult(
        name=name,
        lines=dict(lines),
        planted=dict(planted),
        found=dict(found),
        accused=dict(accused),
    )


def _reviewed(report: ExistingReport, ledger: Sequence[LedgerEntry]) -> tuple[ReviewItem, ...]:
    return readable(review_report(report, ledger, has_prior=False), report).items


def plantings(report: ExistingReport) -> list[Planting]:
    """Every distinct error that chance plants in a report, wherever it stands."""
    made: dict[tuple[object, ...], Planting] = {}
    for kind in Planted:
        for seed in range(_TRIES):
            planting = plant(report, kind, random.Random(seed))
            if planting is not None:
                texts = sorted(sentence.text for sentence in planting.report.sentences)
                made.setdefault((kind, *texts), planting)
    return list(made.values())


def _shows(item: ReviewItem, planting: Planting) -> bool:
    return (
        item.type in SHOWS_AS[planting.kind]
        and item.finding is not None
        and (is_a(item.finding, planting.finding) or is_a(planting.finding, item.finding))
    )


def _weighs(item: ReviewItem) -> bool:
    plain = (ItemType.AGREED, ItemType.NO_COMPARISON)
    return item.type not in plain and item.severity is not ItemSeverity.LOW


def _key(item: ReviewItem) -> tuple[object, ...]:
    return (item.type, item.finding, item.side, item.sentence)


def markdown(studies: Sequence[StudyResult]) -> str:
    """Two tables."""
    lines = [
        "| study | agreed | not supported | missed | wrong side | accusing |",
        "|---|---|---|---|---|---|",
    ]
    for one in studies:
        shown = ("agreed", "unsupported", "missed", "wrong_side", "accusing")
        lines.append(
            f"| {one.name} | " + " | ".join(str(one.lines.get(k, 0)) for k in shown) + " |"
        )
    lines += [
        "",
        "| planted error | planted | raises a line | of more than slight weight |",
        "|---|---|---|---|",
    ]
    for kind in Planted:
        sums = [
            sum(of.get(kind, 0) for of in own)
            for own in zip(*((s.planted, s.found, s.accused) for s in studies), strict=True)
        ]
        lines.append(f"| {kind} | " + " | ".join(map(str, sums)) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables: ``python -m evaluation.review_studies --studies FOLDER``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=Path, required=True, help="Open-i reports and films")
    given = parser.parse_args(arguments)
    print(markdown(list(results(given.studies, load_settings()))))


if __name__ == "__main__":
    main()
