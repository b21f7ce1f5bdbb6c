"""PadChest: Spanish chest radiograph reports as labels and places (Bustos et al., MedIA 2020).

The published report text is stemmed ("sin hallazg patolog"), so it is neither shown nor embedded:
a report stands for the findings and places that physicians, or a network trained on their labels,
assigned to it.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from findings.catalogue import FindingGroup, ancestors, describe
from findings.claims import Claim
from findings.errors import IndexUnavailableError
from findings.label_maps import Dataset, Place, finding_of, padchest_groups
from findings.regions import Region, paired_region, region_side, sided_region
from findings.vocabulary import Finding, Language, Side
from retrieval.corpora.report import CorpusReport, ReportView, patient_key
from retrieval.rendering import describe_claims

SOURCE: Final = "padchest"
TABLE: Final = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"

_COLUMNS: Final = ("ReportID", "PatientID", "Projection", "LabelsLocalizationsBySentence")
_VIEWS: Final = {
    "PA": ReportView.PA,
    "AP": ReportView.AP,
    "AP_horizontal": ReportView.AP,
    "L": ReportView.LATERAL,
}
_SIDES: Final = {
    " left side": Side.LEFT,
    " right side": Side.RIGHT,
    " both sides": Side.BILATERAL,
    " both side": Side.BILATERAL,
    " bilateral": Side.BILATERAL,
}
_DIFFUSE: Final = frozenset(
    {Finding.COPD, Finding.HEART_FAILURE, Finding.CHRONIC_LUNG_CHANGE, Finding.SCOLIOSIS}
)
_PARTS_OF_LUNGS: Final = frozenset(
    {Region.LUNGS, Region.UPPER_ZONES, Region.MID_ZONES, Region.LOWER_ZONES, Region.APICES}
    | {Region.PERIHILAR, Region.RETROCARDIAC, Region.HILA, Region.LINGULA}
    | {region for region in Region if region.value.endswith("_lobe")}
)
_LONGEST_CELL: Final = 20_000
_MOST_ROWS: Final = 5_000_000


def read_padchest(source: Path) -> Iterator[CorpusReport]:
    """Every report that carries a label of the vocabulary, once, in the order of the table.

    `source` is the published table, gzipped or not. Rows that are cut short or oversized are left
    out.

    Raises `IndexUnavailableError` where `source` cannot be read or lacks a column.
    """
    views: dict[str, set[ReportView]] = {}
    firsts: dict[str, tuple[str, str]] = {}
    for report_id, patient_id, projection, labels in _rows(source):
        firsts.setdefault(report_id, (patient_id, labels))
        if projection in _VIEWS:
            views.setdefault(report_id, set()).add(_VIEWS[projection])
    for report_id, (patient_id, labels) in firsts.items():
        claims = read_labels(labels)
        if claims and re.fullmatch(r"[0-9]{1,20}", report_id):
            yield CorpusReport(
                report_id=f"{SOURCE}-{report_id}",
                source=SOURCE,
                language=Language.SPANISH,
                text="",
                display=describe_claims(claims, Language.SPANISH),
                views=tuple(sorted(views.get(report_id, ()))),
                claims=claims,
                patient=patient_key(SOURCE, patient_id),
            )


def _rows(source: Path) -> Iterator[tuple[str, str, str, str]]:
    opened = gzip.open if source.suffix == ".gz" else open
    try:
        with opened(source, "rt", encoding="utf-8", errors="replace", newline="") as stream:
            rows = csv.reader(stream)
            header = next(rows, [])
            places = [header.index(column) for column in _COLUMNS]
            width = max(places) + 1
            for count, row in enumerate(rows):
                if count >= _MOST_ROWS:
                    return
                if len(row) >= width and len(row[places[3]]) <= _LONGEST_CELL:
                    yield row[places[0]], row[places[1]], row[places[2]], row[places[3]]
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise IndexUnavailableError(
            "The PadChest table cannot be read; the file is absent, damaged or lacks a column. "
            "Run 'readingroom models pull report-corpora'."
        ) from error


@lru_cache(maxsize=1 << 16)
def read_labels(cell: str) -> tuple[Claim, ...]:
    """The claims of one cell of `LabelsLocalizationsBySentence`.

    Physicians' cells hold one list a sentence; the network's hold one flat list, in which places
    follow the labels that they belong to. Labels outside the vocabulary are left out, and so are
    "normal" beside a finding and a general finding beside a kind of it at no other place.
    """
    claims: dict[Claim, None] = {}
    for labels, places in padchest_groups(cell):
        claims.update(dict.fromkeys(_claims(labels, places)))
    found = [claim for claim in claims if claim.finding is not Finding.NO_FINDING]
    if not found:
        return tuple(claims)
    implied = {parent for claim in found for parent in ancestors(claim.finding)}
    return tuple(
        claim
        for claim in found
        if claim.finding not in implied or claim.side is not None or claim.region is not None
    )


def _claims(labels: list[str], places: list[Place]) -> Iterator[Claim]:
    """One claim for each label, at those places of its group that the finding can lie in."""
    sides = [place.side for place in places if place.side is not None]
    regions = [place.region for place in places if place.region is not None]
    for label in labels:
        finding, side = _finding_and_side(label)
        if finding is None:
            continue
        if finding is Finding.NO_FINDING:
            yield Claim(finding=finding)
            continue
        if side is None and sides and _has_sides(finding):
            side = sides[0]
        region = next((place for place in regions if _may_lie_in(finding, place)), None)
        if region is not None and side is not None:
            region = sided_region(region, side)
        if region is not None and side is None and _has_sides(finding):
            side = region_side(region)
        yield Claim(finding=finding, side=side, region=region)


@cache
def _finding_and_side(label: str) -> tuple[Finding | None, Side | None]:
    """A label's finding; its side where it ends on one ("pleural effusion both sides")."""
    for ending, side in _SIDES.items():
        if label.endswith(ending):
            stem = label.removesuffix(ending)
            return finding_of(Dataset.PADCHEST, label) or finding_of(Dataset.PADCHEST, stem), side
    return finding_of(Dataset.PADCHEST, label), None


@cache
def _has_sides(finding: Finding) -> bool:
    """False for what is in the midline or in both lungs by its nature."""
    entry = describe(finding)
    if finding in _DIFFUSE or entry.group is FindingGroup.HEART:
        return False
    return not entry.regions or any(
        region_side(region) is not Side.MIDLINE for region in entry.regions
    )


@cache
def _may_lie_in(finding: Finding, region: Region) -> bool:
    """Whether a place said of several findings at once can be meant for this one."""
    entry = describe(finding)
    family = paired_region(region) or region
    if family in {paired_region(place) or place for place in entry.regions}:
        return True
    return (
        entry.group is FindingGroup.LUNGS and finding not in _DIFFUSE and family in _PARTS_OF_LUNGS
    )
