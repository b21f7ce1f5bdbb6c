"""Maps between the labels of public chest radiograph datasets and the vocabulary, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from findings.catalogue import describe, load_toml
from findings.claims import Frozen
from findings.regions import Region
from findings.vocabulary import Finding, Side

_SENTENCE: Final = re.compile(r"\[([^\[\]]*)\]")
_ITEM: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Dataset(StrEnum):
    """A dataset, or one reading of it, with a closed list of labels."""

    NIH = "nih"
    NIH_RADIOLOGISTS = "nih_radiologists"
    CHEXPERT = "chexpert"
    VINDR = "vindr"
    PADCHEST = "padchest"
    CLALA = "clala"
    CHEST_IMAGENOME = "chest_imagenome"


class UnmappedLabel(Frozen):
    """A dataset label that stands for no finding of the vocabulary."""

    label: str
    count: int
    reason: str
    """Why it is not mapped; empty where the map does not know the label at all."""


class Place(Frozen):
    """Where a dataset says that a finding lies; `None` is: not stated."""

    side: Side | None = None
    region: Region | None = None


def finding_of(dataset: Dataset, label: str) -> Finding | None:
    """The finding that a label stands for; `None` where it stands for none (`unmapped_labels`)."""
    return _findings(dataset).get(label.strip())


def labels_of(dataset: Dataset, finding: Finding) -> tuple[str, ...]:
    """The labels that map to exactly this finding, the usual one first; empty if there is none."""
    return _labels(dataset).get(finding, ())


def nearest_label(dataset: Dataset, finding: Finding) -> str | None:
    """The label that a dataset would give a finding: its own, else that of its nearest ancestor.

    A rib fracture is a "Fracture" to CheXpert, a nodule a "Nodule/Mass" to VinDr-CXR. `None`: the
    dataset has no label for it.
    """
    level: tuple[Finding, ...] = (finding,)
    while level:
        for candidate in level:
            if labels := labels_of(dataset, candidate):
                return labels[0]
        level = tuple(parent for candidate in level for parent in describe(candidate).parents)
    return None


def mapped_findings(dataset: Dataset) -> frozenset[Finding]:
    """Every finding that some label of the dataset stands for."""
    return frozenset(_labels(dataset))


def unmapped_labels(dataset: Dataset, counts: Mapping[str, int]) -> tuple[UnmappedLabel, ...]:
    """The labels among `counts` (label → occurrences) that stand for no finding, frequent first."""
    totals: dict[str, int] = {}
    for label, count in counts.items():
        if finding_of(dataset, label) is None:
            totals[label.strip()] = totals.get(label.strip(), 0) + count
    reasons = _data().get(f"{dataset.value}_unmapped", {})
    return tuple(
        UnmappedLabel(label=label, count=count, reason=reasons.get(label, ""))
        for label, count in sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    )


def padchest_groups(cell: str) -> Iterator[tuple[list[str], list[Place]]]:
    """Labels with the places said of them, from a cell of `LabelsLocalizationsBySentence`.

    Physicians' cells hold a list for each sentence; the network's hold one flat list, in which
    places follow the labels that they belong to.
    """
    for sentence in _SENTENCE.findall(cell):
        labels: list[str] = []
        places: list[Place] = []
        for single, double in _ITEM.findall(sentence):
            item = (single or double).strip()
            if item.startswith("loc "):
                if (place := padchest_place(item)) is not None:
                    places.append(place)
                continue
            if places:
                yield labels, places
                labels, places = [], []
            labels.append(item)
        yield labels, places


def padchest_place(localisation: str) -> Place | None:
    """The place that a PadChest localisation ("loc basal bilateral") names.

    A place without side and region is a localisation that the vocabulary has no region for; `None`
    is one that the map does not know.
    """
    row = _data()["padchest_places"].get(localisation.strip())
    return None if row is None else Place.model_validate(row)


@cache
def _data() -> dict[str, Any]:
    return load_toml("label_maps.toml")


@cache
def _findings(dataset: Dataset) -> dict[str, Finding]:
    return {label: Finding(finding) for label, finding in _data()[dataset.value].items()}


@cache
def _labels(dataset: Dataset) -> dict[Finding, tuple[str, ...]]:
    grouped: dict[Finding, list[str]] = {}
    for label, finding in _findings(dataset).items():
        grouped.setdefault(finding, []).append(label)
    return {finding: tuple(labels) for finding, labels in grouped.items()}


def openi_finding(tag: str) -> Finding | None:
    """The finding that a MeSH tag of Open-i ("Opacity/lung/base/left") states, if any of ours."""
    term, *qualifiers = tag.split("/")
    data = _openi()
    for rule in data["rules"]:
        if rule["term"] == term and not set(qualifiers).isdisjoint(rule["qualifiers"]):
            return Finding(rule["finding"]) if rule["finding"] else None
    named = data["heads"].get(term)
    return Finding(named) if named else None


def openi_findings() -> frozenset[Finding]:
    """Every finding that some MeSH tag of Open-i states."""
    data = _openi()
    named = [*data["heads"].values(), *(rule["finding"] for rule in data["rules"])]
    return frozenset(Finding(finding) for finding in named if finding)


def openi_side(tag: str) -> Side | None:
    """The side that a MeSH tag of Open-i names; `None` where it names none."""
    qualifiers = {part.strip() for part in tag.split("/")[1:]}
    for side in (Side.BILATERAL, Side.LEFT, Side.RIGHT):
        if side.value in qualifiers:
            return side
    return None


@cache
def _openi() -> dict[str, Any]:
    return load_toml("openi_mesh.toml")
