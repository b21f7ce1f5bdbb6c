"""ROCO v2's captions, the broad set of the first training stage (Rückert et al., 2024).

Its tables `train_captions.csv` and `valid_captions.csv` (ID, Caption) lie beside folders of images,
`train/` and `valid/` (or `train_images/train/`), named by the ID.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from findings.errors import UserInputError
from models.data.records import Split
from models.reports.cases import CaseSet, ReportCase
from models.reports.guards import learnable

_PARTS: Final = {"train": Split.TRAIN, "valid": Split.VAL}
_MOST_ROWS: Final = 500_000
_LONGEST_CELL: Final = 20_000


def roco_cases(folder: Path, most_validation: int = 0) -> CaseSet:
    """The images with captions that measure nothing; each image is taken as a patient.

    Raises:
        UserInputError: the folder has no table of captions.
        StudyError: no image of them is there.
    """
    tables = {part: folder / f"{part}_captions.csv" for part in _PARTS}
    if not all(table.is_file() for table in tables.values()):
        raise UserInputError(
            "The broad set has no train_captions.csv and valid_captions.csv: give ROCO v2's "
            "folder, or leave roco out of the preset."
        )
    cases = [case for part, table in tables.items() for case in _rows(table, folder, part)]
    return CaseSet(cases, None, most_validation)


def _rows(table: Path, folder: Path, part: str) -> Iterator[ReportCase]:
    homes = (folder / part, folder / f"{part}_images" / part)
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in islice(csv.DictReader(file), _MOST_ROWS):
            name, caption = row.get("ID") or "", row.get("Caption") or ""
            if Path(name).name != name or not name or len(caption) > _LONGEST_CELL:
                continue
            text = learnable(f"{caption.rstrip(' .')}.")
            image = next((h / f"{name}.jpg" for h in homes if (h / f"{name}.jpg").is_file()), None)
            if text and image is not None:
                yield ReportCase("roco", name, name, image, _PARTS[part], (), text)
