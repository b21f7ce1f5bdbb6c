"""PadChest (Bustos et al., MedIA 2020): Spanish reports with labels, places and UMLS concepts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from findings.catalogue import FindingGroup, describe
from findings.claims import Claim
from findings.label_maps import Dataset as LabelSet
from findings.label_maps import Place, finding_of, mapped_findings, padchest_groups
from findings.regions import Region, paired_region, region_side, sided_region
from findings.vocabulary import Finding, Language, Side
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.labels import closed
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord, ReportText
from models.datasets.tables import (
    files_by_name,
    find_table,
    missing_columns,
    read_table,
    required_table,
)
from models.datasets.views import view_of

_TABLE: Final = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
_COLUMNS: Final = (
    "ImageID",
    "StudyID",
    "PatientID",
    "Projection",
    "Report",
    "MethodLabel",
    "Labels",
    "LabelsLocalizationsBySentence",
    "labelCUIS",
)
_ITEM: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_CONCEPT: Final = re.compile(r"C[0-9]{7}")
_SIDES: Final = {
    " left side": Side.LEFT,
    " right side": Side.RIGHT,
    " both sides": Side.BILATERAL,
    " bilateral": Side.BILATERAL,
}
_LONGEST_CELL: Final = 20_000
_NOT_READ: Final = frozenset({"exclude", "suboptimal study", ""})
"""A study with only such labels was not read for findings."""


class PadChest(DatasetReader):
    """The table of 160,861 images, with the images in folders `0/` to `54/` or all in one.

    The labels are closed: what a read study's list does not name is absent. `MethodLabel` says
    whether physicians gave them or a network that had learned from those. The report's words are
    stems. No split is published.
    """

    card = DatasetCard(
        name="padchest",
        title="PadChest",
        home="https://bimcv.cipf.es/bimcv-projects/padchest/",
        terms="PadChest Dataset Research Use Agreement; no sharing, no commercial use",
        cite="Bustos et al., PadChest, Medical Image Analysis 66, 2020",
        layout=(f"{_TABLE} (or .csv.gz)", "0/*.png … 54/*.png, or images/*.png"),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, _TABLE)
        if table is None:
            return (f"there is no table {_TABLE}",)
        return missing_columns(table, _COLUMNS)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, _TABLE)
        images = files_by_name(folder, (".png", ".jpg"), notes)
        for row in read_table(table, _COLUMNS, notes):
            cell, sentences = row["Labels"], row["LabelsLocalizationsBySentence"]
            if len(cell) > _LONGEST_CELL or len(sentences) > _LONGEST_CELL:
                notes.add(Problem.BROKEN_ROW)
                continue
            labels, unmapped = _labels(cell)
            for word in unmapped:
                notes.unmapped_label(word)
            physician = row["MethodLabel"] == "Physician"
            yield RadiographRecord(
                source=self.card.name,
                image_id=row["ImageID"],
                image=images.get(row["ImageID"], folder / "absent"),
                patient=row["PatientID"],
                study=row["StudyID"],
                view=view_of(row["Projection"]),
                labels=labels,
                origin=LabelOrigin.REPORT_READERS if physician else LabelOrigin.PROGRAM,
                claims=read_places(sentences),
                codes=tuple(_CONCEPT.findall(row["labelCUIS"])),
                report=ReportText(row["Report"], Language.SPANISH, stemmed=True)
                if row["Report"]
                else None,
            )


@lru_cache(maxsize=1 << 16)
def _labels(cell: str) -> tuple[Mapping[Finding, LabelState], tuple[str, ...]]:
    """The labels of a cell, and its words that stand for no finding."""
    present, unmapped = set(), []
    words = [(single or double).strip() for single, double in _ITEM.findall(cell)]
    for word in words:
        finding, _ = _finding_and_side(word)
        if finding is None:
            unmapped.append(word)
        else:
            present.add(finding)
    if set(words) <= _NOT_READ:
        return MappingProxyType({}), tuple(unmapped)
    # "normal" stands for a sentence, not for the report, where findings are listed beside it.
    if len(present) > 1:
        present.discard(Finding.NO_FINDING)
    return MappingProxyType(closed(mapped_findings(LabelSet.PADCHEST), present)), tuple(unmapped)


@lru_cache(maxsize=1 << 16)
def read_places(cell: str) -> tuple[Claim, ...]:
    """The claims of a cell of `LabelsLocalizationsBySentence`: each label with its places.

    Physicians' cells hold a list for each sentence; the network's hold one flat list, in which
    places follow the labels that they belong to.
    """
    claims: dict[Claim, None] = {}
    for labels, places in padchest_groups(cell):
        claims.update(dict.fromkeys(_claims(labels, places)))
    return tuple(claims)


def _claims(labels: list[str], places: list[Place]) -> Iterator[Claim]:
    """One claim for each label; of several places, the first that the finding can lie in."""
    for label in labels:
        finding, side = _finding_and_side(label)
        if finding is None:
            continue
        if finding is Finding.NO_FINDING:
            yield Claim(finding=finding)
            continue
        side = side or next((place.side for place in places if place.side), None)
        regions = [place.region for place in places if place.region is not None]
        fitting = [own for own in regions if (paired_region(own) or own) in _family(finding)]
        if describe(finding).group is FindingGroup.LUNGS and not fitting:
            fitting = regions
        region = fitting[0] if fitting else None
        if region is not None and side is not None:
            region = sided_region(region, side)
        elif region is not None:
            side = region_side(region)
        yield Claim(finding=finding, side=side, region=region)


@cache
def _family(finding: Finding) -> frozenset[Region]:
    """Where a finding usually lies, both sides together."""
    return frozenset(paired_region(region) or region for region in describe(finding).regions)


@lru_cache(maxsize=4096)
def _finding_and_side(label: str) -> tuple[Finding | None, Side | None]:
    """A label's finding; its side where the label ends on one."""
    for ending, side in _SIDES.items():
        if label.endswith(ending):
            found = finding_of(LabelSet.PADCHEST, label)
            return found or finding_of(LabelSet.PADCHEST, label.removesuffix(ending)), side
    return finding_of(LabelSet.PADCHEST, label), None
