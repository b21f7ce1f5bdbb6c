"""Any folder of images with a table of labels: the layout for data that no other reader knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of
from findings.vocabulary import Finding, Language
from models.data.records import Split
from models.datasets.boxes import corners
from models.datasets.dataset import DatasetCard, DatasetReader, Mark
from models.datasets.labels import state_of, stronger
from models.datasets.notes import Notes, Problem
from models.datasets.record import FindingBox, LabelState, RadiographRecord, ReportText
from models.datasets.tables import (
    columns_of,
    files_by_name,
    find_table,
    inside,
    missing_columns,
    read_table,
    required_table,
)
from models.datasets.views import view_of

_TABLE: Final = "labels.csv"
_BOXES: Final = "boxes.csv"
_CORNERS: Final = ("x_min", "y_min", "x_max", "y_max")
_SPLITS: Final = {"train": Split.TRAIN, "val": Split.VAL, "valid": Split.VAL, "test": Split.TEST}
_SUFFIXES: Final = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")
_OTHER_COLUMNS: Final = frozenset(
    {"image", "patient", "study", "view", "split", "report", "language"}
)


class FolderWithTable(DatasetReader):
    """`labels.csv` with the column `image`, and images at any depth.

    `image` is a path within the folder, a file name, or a file name without its ending. `patient`,
    `study`, `view`, `split` (train, val, test) and `report` are read where they are there. Every
    other column whose name is a finding of the vocabulary or a label of NIH, CheXpert, VinDr or
    PadChest is a label: 1, 0, -1 (uncertain), blank (unknown), or a word for it. `boxes.csv` has
    the columns image, finding, x_min, y_min, x_max, y_max and, where known, reader.
    """

    mark = Mark.ANY_TABLE
    card = DatasetCard(
        name="folder-csv",
        title="a folder of images with labels.csv",
        home="your own data",
        terms="your own",
        cite="",
        layout=("labels.csv with the column image", "images at any depth", "boxes.csv (boxes)"),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, _TABLE)
        if table is None:
            return (f"there is no table {_TABLE}",)
        return missing_columns(table, ("image",))

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, _TABLE)
        images = _images(folder, notes)
        boxes = _read_boxes(folder, notes)
        columns = {}
        for column in columns_of(table):
            finding = named_finding(column)
            if finding is not None:
                columns[column] = finding
            elif column and column not in _OTHER_COLUMNS:
                notes.unmapped_label(column)
        for row in read_table(table, ("image",), notes):
            name = row["image"]
            image = inside(folder, name)
            if image is None:
                notes.add(Problem.REFUSED_NAME)
                continue
            labels: dict[Finding, LabelState] = {}
            for column, finding in columns.items():
                state = state_of(row[column])
                if state is None:
                    notes.add(Problem.BROKEN_ROW)
                elif state is not LabelState.UNKNOWN:
                    labels[finding] = stronger(labels.get(finding, state), state)
            text = row.get("report", "")
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=image if image.is_file() else images.get(name, image),
                patient=row.get("patient", ""),
                study=row.get("study", ""),
                view=view_of(row.get("view", "")),
                split=_SPLITS.get(row.get("split", "").lower(), Split.OTHER),
                labels=labels,
                boxes=boxes.get(name, ()),
                report=ReportText(text, _language(row.get("language", ""))) if text else None,
            )


def named_finding(word: str) -> Finding | None:
    """The finding that a column or label of any known data set names."""
    identifier = word.strip().lower().replace(" ", "_")
    if identifier in Finding.__members__.values():
        return Finding(identifier)
    for labels in (LabelSet.NIH, LabelSet.CHEXPERT, LabelSet.VINDR, LabelSet.PADCHEST):
        for spelling in (word, word.replace("_", " ")):
            if (finding := finding_of(labels, spelling)) is not None:
                return finding
    return None


def _language(word: str) -> Language:
    return Language.SPANISH if word.lower().startswith("es") else Language.ENGLISH


def _images(folder: Path, notes: Notes) -> dict[str, Path]:
    """Images by file name and, where only one image has it, by the name without its ending.

    Masks often bear the name of their image: what lies in a folder of masks is no image.
    """
    named = {
        name: path
        for name, path in files_by_name(folder, _SUFFIXES, notes).items()
        if not any("mask" in part.lower() for part in path.relative_to(folder).parts[:-1])
    }
    stems = Counter(path.stem for path in named.values())
    return {path.stem: path for path in named.values() if stems[path.stem] == 1} | named


def _read_boxes(folder: Path, notes: Notes) -> dict[str, tuple[FindingBox, ...]]:
    table = find_table(folder, _BOXES)
    boxes: dict[str, tuple[FindingBox, ...]] = {}
    if table is None:
        return boxes
    for row in read_table(table, ("image", "finding", *_CORNERS), notes):
        finding = named_finding(row["finding"])
        box = corners(*(row[column] for column in _CORNERS))
        if finding is None:
            notes.unmapped_label(row["finding"])
        elif box is None:
            notes.add(Problem.BROKEN_BOX)
        else:
            drawn = FindingBox(finding, box, row["finding"], row.get("reader", ""))
            boxes[row["image"]] = (*boxes.get(row["image"], ()), drawn)
    return boxes
