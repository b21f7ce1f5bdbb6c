"""A split as a table, one image a row: source, image, patient, split."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from findings.errors import UserInputError
from models.data.records import Split
from models.datasets.dataset import ImageKey
from models.datasets.notes import Notes
from models.datasets.record import RadiographRecord
from models.datasets.tables import read_table

_COLUMNS: Final = ("source", "image", "patient", "split")


def write_splits(
    table: Path, records: Iterable[RadiographRecord], parts: Mapping[str, Split]
) -> int:
    """Write which part each image is in, whole or not at all; returns how many there are.

    `parts` goes by patient (`RadiographRecord.patient_key`).
    """
    unfinished = table.with_name(f"{table.name}.unfinished")
    count = 0
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for record in records:
                part = parts[record.patient_key]
                writer.writerow((record.source, record.image_id, record.patient, part.value))
                count += 1
        unfinished.replace(table)
    except OSError as error:
        raise UserInputError(
            f"The table of the split cannot be written ({type(error).__name__}); choose a place "
            "that can be written to (--out)."
        ) from error
    return count


def read_splits(table: Path) -> dict[ImageKey, Split]:
    """The split in such a table.

    Raises:
        UserInputError: it cannot be read, lacks a column, or names a part that is none.
    """
    splits: dict[ImageKey, Split] = {}
    for row in read_table(table, ("source", "image", "split"), Notes()):
        part = Split(row["split"])
        if part is Split.OTHER and row["split"] != Split.OTHER:
            raise UserInputError(
                f"The table {table.name} names a part that is none; the column 'split' must hold "
                "train, val or test."
            )
        splits[row["source"], row["image"]] = part
    return splits
