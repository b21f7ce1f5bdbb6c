"""Dataset labels map to findings and back; what is not mapped is listed."""

from __future__ import annotations

import ast
import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from findings.catalogue import CodingScheme, describe
from findings.label_maps import (
    Dataset,
    finding_of,
    labels_of,
    mapped_findings,
    nearest_label,
    padchest_place,
    unmapped_labels,
)
from findings.regions import Region
from findings.vocabulary import Finding, Side

SEEN: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "data" / "dataset_labels.json").read_text("utf-8")
)
PADCHEST_TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"


@pytest.mark.parametrize(
    "dataset", [d for d in Dataset if d.value in SEEN and d is not Dataset.PADCHEST]
)
def test_every_label_of_the_tables_is_mapped(dataset: Dataset) -> None:
    assert unmapped_labels(dataset, dict.fromkeys(SEEN[dataset.value], 1)) == ()


def test_every_padchest_label_is_mapped_or_listed_with_a_reason() -> None:
    unmapped = unmapped_labels(Dataset.PADCHEST, dict.fromkeys(SEEN["padchest"], 1))
    assert all(label.reason for label in unmapped)
    assert len(SEEN["padchest"]) - len(unmapped) >= 160


def test_an_unknown_label_is_listed_without_a_reason() -> None:
    (label,) = unmapped_labels(Dataset.PADCHEST, {"no such label": 3, "pneumonia": 2})
    assert (label.label, label.count, label.reason) == ("no such label", 3, "")


@pytest.mark.parametrize("dataset", Dataset)
def test_labels_and_findings_round_trip(dataset: Dataset) -> None:
    for finding in mapped_findings(dataset):
        labels = labels_of(dataset, finding)
        assert labels
        assert {finding_of(dataset, label) for label in labels} == {finding}
        assert nearest_label(dataset, finding) == labels[0]


@pytest.mark.parametrize(
    ("dataset", "finding", "label"),
    [
        (Dataset.CHEXPERT, Finding.RIB_FRACTURE, "Fracture"),
        (Dataset.CHEXPERT, Finding.PACEMAKER, "Support Devices"),
        (Dataset.CHEXPERT, Finding.NODULE, "Lung Lesion"),
        (Dataset.CHEXPERT, Finding.PLEURAL_THICKENING, "Pleural Other"),
        (Dataset.VINDR, Finding.MASS, "Nodule/Mass"),
        (Dataset.NIH, Finding.HYDROPNEUMOTHORAX, "Pneumothorax"),
        (Dataset.NIH, Finding.SCOLIOSIS, None),
        (Dataset.CLALA, Finding.LOBAR_COLLAPSE, "Atelectasis"),
    ],
)
def test_a_finding_without_a_label_takes_that_of_its_kind(
    dataset: Dataset, finding: Finding, label: str | None
) -> None:
    assert nearest_label(dataset, finding) == label


def test_label_lists_have_the_published_sizes() -> None:
    assert len(mapped_findings(Dataset.NIH)) == 15
    assert len(mapped_findings(Dataset.CHEXPERT)) == 14
    assert len(mapped_findings(Dataset.CLALA)) == 14
    assert sum(len(labels_of(Dataset.VINDR, f)) for f in mapped_findings(Dataset.VINDR)) == 28


def test_every_padchest_localisation_is_known() -> None:
    assert all(padchest_place(place) is not None for place in SEEN["padchest_places"])
    bases = padchest_place(" loc basal bilateral")
    assert bases is not None
    assert (bases.side, bases.region) == (Side.BILATERAL, Region.LOWER_ZONES)
    assert padchest_place("loc elsewhere") is None


def test_the_padchest_table_holds_no_other_label_and_prints_our_cuis(report_corpora: Path) -> None:
    labels: Counter[str] = Counter()
    cuis: dict[str, Counter[str]] = {}
    with gzip.open(report_corpora / PADCHEST_TABLE, "rt", encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines)
        for row in table:
            if row["Labels"] in ("", "nan"):
                continue
            found = [label.strip() for label in ast.literal_eval(row["Labels"])]
            labels.update(found)
            if len(found) == 1 and row["labelCUIS"].count("'") == 2:
                cuis.setdefault(found[0], Counter())[row["labelCUIS"].strip("[]'")] += 1
    assert set(labels) <= set(SEEN["padchest"])
    assert all(label.reason for label in unmapped_labels(Dataset.PADCHEST, labels))
    for finding in Finding:
        if code := describe(finding).code(CodingScheme.UMLS):
            assert cuis[code.meaning].most_common(1)[0][0] == code.value
