"""Read the NIH ChestX-ray14 folder: radiographs with fourteen text-mined labels."""

from __future__ import annotations

import csv
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


def read_nih(data: Path) -> list[FindingRecord]:
    """Read ``nih/labels.csv``; rows whose image is missing are passed over.

    The folder itself may be missing: the answer is then an empty list.
    """
    folder = data / "nih"
    table = folder / "labels.csv"
    if not table.is_file():
        return []
    records = []
    with table.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            image = folder / "images" / f"{row['image']}.jpg"
            if not image.is_file():
                continue
            records.append(
                FindingRecord(
                    source="nih",
                    image_id=row["image"],
                    patient=row["patient"],
                    image=image,
                    split=Split(row.get("split", "")),
                    labels={
                        finding: int(float(row[column] or 0))
                        for finding, column in NIH_COLUMNS.items()
                    },
                    view=row.get("view", ""),
                    note=row.get("note", ""),
                )
            )
    return records
