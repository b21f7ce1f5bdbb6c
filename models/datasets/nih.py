"""NIH ChestX-ray14 (Wang et al., CVPR 2017): text-mined labels, and boxes for eight findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of, mapped_findings
from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.boxes import corner_and_size
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.notes import Notes, Problem
from models.datasets.record import FindingBox, LabelOrigin, LabelState, RadiographRecord
from models.datasets.tables import (
    files_by_name,
    find_table,
    listed_names,
    missing_columns,
    read_table,
    required_table,
)
from models.datasets.views import view_of

_TABLES: Final = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
_COLUMNS: Final = ("Image Index", "Finding Labels", "Patient ID", "View Position")
_BOXES: Final = "BBox_List_2017.csv"
_LISTS: Final = {Split.TRAIN: "train_val_list.txt", Split.TEST: "test_list.txt"}
_FRAME: Final = (1024, 1024)


class NihChestXray14(DatasetReader):
    """`Data_Entry_2017.csv` with the images in `images/` or in `images_001/images/` and so on.

    A finding that the label cell does not name is absent: the labels are closed. The boxes are not:
    984 of them were drawn on 880 images, and an image without one says nothing.
    """

    card = DatasetCard(
        name="nih-chestxray14",
        title="NIH ChestX-ray14",
        home="https://nihcc.app.box.com/v/ChestXray-NIHCC",
        terms="no restriction on use; attribution and a link to the download site are asked for",
        cite="Wang et al., ChestX-ray8, CVPR 2017",
        layout=(
            "Data_Entry_2017.csv or Data_Entry_2017_v2020.csv",
            "images/*.png or images_001/images/*.png …",
            "BBox_List_2017.csv (boxes)",
            "train_val_list.txt, test_list.txt (the published split)",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        table = find_table(folder, *_TABLES)
        if table is None:
            return ("there is no table Data_Entry_2017.csv",)
        return missing_columns(table, _COLUMNS)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        table = required_table(folder, *_TABLES)
        images = files_by_name(folder, (".png", ".jpg", ".jpeg"), notes)
        boxes = _read_boxes(folder, notes)
        splits = _read_splits(folder)
        for row in read_table(table, _COLUMNS, notes):
            name = row["Image Index"]
            labels, unmapped = _labels(row["Finding Labels"])
            for word in unmapped:
                notes.unmapped_label(word)
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=images.get(name, folder / "images" / "absent"),
                patient=row["Patient ID"].zfill(8),
                view=view_of(row["View Position"]),
                split=splits.get(name, Split.OTHER),
                labels=labels,
                origin=LabelOrigin.PROGRAM,
                boxes=boxes.get(name, ()),
                frame=_FRAME,
            )


_NONE: Final = MappingProxyType(dict.fromkeys(mapped_findings(LabelSet.NIH), LabelState.ABSENT))


@lru_cache(maxsize=1 << 14)
def _labels(cell: str) -> tuple[Mapping[Finding, LabelState], tuple[str, ...]]:
    """The labels of a cell, and its words that are no label. Images share few distinct cells."""
    labels = dict(_NONE)
    unmapped = []
    for word in cell.split("|"):
        finding = finding_of(LabelSet.NIH, word)
        if finding is None:
            unmapped.append(word)
        else:
            labels[finding] = LabelState.PRESENT
    return MappingProxyType(labels), tuple(unmapped)


def _read_boxes(folder: Path, notes: Notes) -> dict[str, tuple[FindingBox, ...]]:
    """Boxes by image. Their header reads `Bbox [x,y,w,h]`, whose commas make four columns."""
    table = find_table(folder, _BOXES)
    boxes: dict[str, tuple[FindingBox, ...]] = {}
    if table is None:
        return boxes
    columns = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
    for row in read_table(table, columns, notes):
        finding = finding_of(LabelSet.NIH, row["Finding Label"])
        box = corner_and_size(row["Bbox [x"], row["y"], row["w"], row["h]"])
        if finding is None:
            notes.unmapped_label(row["Finding Label"])
        elif box is None:
            notes.add(Problem.BROKEN_BOX)
        else:
            name = row["Image Index"]
            drawn = FindingBox(finding=finding, box=box, label=row["Finding Label"])
            boxes[name] = (*boxes.get(name, ()), drawn)
    return boxes


def _read_splits(folder: Path) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for split, name in _LISTS.items():
        if (folder / name).is_file():
            splits.update(dict.fromkeys(listed_names(folder / name), split))
    return splits
