"""Read the folders with findings: NIH, the tuberculosis sets, JSRT nodules, the paediatric set.

A label that a source does not give is unknown, not absent: each source states the findings it was
read for, and only those.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from models.data.records import FindingRecord, Split

NIH_COLUMNS: dict[str, str] = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "pleural_effusion": "Effusion",
    "infiltration": "Infiltration",
    "mass": "Mass",
    "nodule": "Nodule",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
    "consolidation": "Consolidation",
    "edema": "Edema",
    "emphysema": "Emphysema",
    "fibrosis": "Fibrosis",
    "pleural_thickening": "Pleural_Thickening",
    "hernia": "Hernia",
}
"""Canonical finding id -> column of labels.csv, in the order of the classifier's outputs."""

TUBERCULOSIS = "tuberculosis"
PAEDIATRIC_PNEUMONIA = "paediatric_pneumonia"
"""Pneumonia in children of one to five years: another question than pneumonia in adults."""

_SHENZHEN_COUNTS: dict[str, tuple[str, ...]] = {
    "pleural_effusion": ("n_pleural_effusion",),
    "nodule": ("n_single_nodule_non_calcified", "n_calcified_nodule"),
    "pleural_thickening": ("n_apical_thickening", "n_pleural_thickening_non_apical"),
}


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if table.is_file():
        with table.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.DictReader(file)


def read_nih(data: Path) -> list[FindingRecord]:
    """Read ``nih/labels.csv``; rows whose image is missing are passed over.

    The folder itself may be missing: the answer is then an empty list.
    """
    folder = data / "nih"
    return _present(
        FindingRecord(
            source="nih",
            image_id=row["image"],
            patient=row["patient"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            labels={
                finding: int(float(row[column] or 0)) for finding, column in NIH_COLUMNS.items()
            },
            view=row.get("view", ""),
            note=row.get("note", ""),
        )
        for row in _rows(folder / "labels.csv")
    )


def read_tuberculosis(data: Path) -> list[FindingRecord]:
    """Montgomery and Shenzhen films with the reading tuberculosis or not.

    The annotated Shenzhen films and the normal ones also know effusion, nodules and pleural
    thickening. One image is taken as one patient, since no patient is named.
    """
    folder = data / "tb"
    return _present(
        FindingRecord(
            source=row["source"],
            image_id=row["image"],
            patient=row["image"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            labels={TUBERCULOSIS: int(row["tb"]), **_counted(row)},
            view="PA",
            # One film of the tuberculosis class reads pneumonia.
            note="read as pneumonia" if "pneumonia" in row["reading"].lower() else "",
        )
        for row in _rows(folder / "labels.csv")
    )


def _counted(row: dict[str, str]) -> dict[str, int]:
    if row["source"] != "shenzhen":
        return {}
    if row["tb"] == "0":
        return dict.fromkeys(_SHENZHEN_COUNTS, 0)
    if all(row[column] == "" for columns in _SHENZHEN_COUNTS.values() for column in columns):
        return {}
    return {
        finding: int(any(float(row[column] or 0) > 0 for column in columns))
        for finding, columns in _SHENZHEN_COUNTS.items()
    }


def read_nodules(data: Path) -> list[FindingRecord]:
    """JSRT films with or without a lung nodule."""
    folder = data / "jsrt"
    return _present(
        FindingRecord(
            source="jsrt",
            image_id=row["image"],
            patient=row["image"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            labels={"nodule": int(row["nodule"])},
            view="PA",
            note="",
        )
        for row in _rows(folder / "split.csv")
    )


def read_paediatric(data: Path) -> list[FindingRecord]:
    """Children of one to five years, with pneumonia or normal."""
    folder = data / "paediatric"
    return _present(
        FindingRecord(
            source="paediatric",
            image_id=row["image"],
            patient=row["patient"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            labels={PAEDIATRIC_PNEUMONIA: int(row["label"] != "normal")},
            view="AP",
            note="",
        )
        for row in _rows(folder / "labels.csv")
    )


def _present(records: Iterable[FindingRecord]) -> list[FindingRecord]:
    return [record for record in records if record.image.is_file()]


_READERS: dict[str, Callable[[Path], list[FindingRecord]]] = {
    "nih": read_nih,
    "tb": read_tuberculosis,
    "jsrt": read_nodules,
    "paediatric": read_paediatric,
}


def read_findings(data: Path, folders: Iterable[str] = tuple(_READERS)) -> list[FindingRecord]:
    """Every record of the named folders that its keepers remarked nothing about."""
    return [record for name in folders for record in _READERS[name](data) if not record.note]
