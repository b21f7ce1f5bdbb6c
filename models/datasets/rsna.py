"""RSNA Pneumonia Detection Challenge 2018 (Shih et al., Radiology: AI 2019): boxed opacities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.vocabulary import Finding
from imaging.study import View
from models.data.records import Split
from models.datasets.boxes import corner_and_size
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.notes import Notes, Problem
from models.datasets.record import FindingBox, LabelOrigin, LabelState, RadiographRecord
from models.datasets.tables import (
    files_by_name,
    find_table,
    missing_columns,
    read_table,
    required_table,
)
from models.datasets.views import view_of

_TABLE: Final = "stage_2_train_labels.csv"
_CLASSES: Final = "stage_2_detailed_class_info.csv"
_HEADERS: Final = "kaggle_stage_2_train_images_dicom_headers.csv"
_COLUMNS: Final = ("patientId", "x", "y", "width", "height", "Target")
_FRAME: Final = (1024, 1024)


class RsnaPneumonia(DatasetReader):
    """`stage_2_train_labels.csv` with `stage_2_train_images/*.dcm`.

    A box marks an opacity that may be pneumonia, and all such are boxed; Target 1 is taken as both
    findings present, 0 as both absent. The class table, where it is there, tells normal films from
    others. The images are NIH ChestX-ray14's under other names, so the two must not be split apart;
    the ids are the image's, not the patient's, and the test images have no labels.
    """

    card = DatasetCard(
        name="rsna-pneumonia",
        title="RSNA Pneumonia Detection Challenge",
        home="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
        terms="non-commercial research; the challenge's rules",
        cite="Shih et al., Radiology: Artificial Intelligence 1, 2019",
        layout=(
            _TABLE,
            "stage_2_train_images/*.dcm (or .png, .jpg of 1024 × 1024)",
            f"{_CLASSES} (normal or not)",
        ),
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
        classes = _by_id(find_table(folder, _CLASSES), "patientId", "class", notes)
        views = _by_id(find_table(folder, _HEADERS), "PatientID", "ViewPosition", notes)
        boxes: dict[str, tuple[FindingBox, ...]] = {}
        targets: dict[str, bool] = {}
        for row in read_table(table, _COLUMNS, notes):
            name = row["patientId"]
            if row["Target"] not in ("0", "1"):
                notes.add(Problem.BROKEN_ROW)
                continue
            targets[name] = row["Target"] == "1" or targets.get(name, False)
            if row["Target"] == "0":
                continue
            box = corner_and_size(row["x"], row["y"], row["width"], row["height"])
            if box is None:
                notes.add(Problem.BROKEN_BOX)
                continue
            drawn = FindingBox(finding=Finding.LUNG_OPACITY, box=box, label="Lung Opacity")
            boxes[name] = (*boxes.get(name, ()), drawn)
        files = files_by_name(folder, (".dcm", ".png", ".jpg", ".jpeg"), notes)
        images = {path.stem: path for path in files.values()}
        for name, positive in targets.items():
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=images.get(name, folder / "absent"),
                patient="",
                view=view_of(views[name]) if name in views else View.UNKNOWN,
                split=Split.TRAIN,
                labels=_labels(positive, classes.get(name)),
                origin=LabelOrigin.RADIOLOGISTS,
                boxes=boxes.get(name, ()),
                boxed=frozenset({Finding.LUNG_OPACITY}),
                frame=_FRAME,
            )


def _labels(positive: bool, kind: str | None) -> dict[Finding, LabelState]:
    state = LabelState.PRESENT if positive else LabelState.ABSENT
    labels = {Finding.LUNG_OPACITY: state, Finding.PNEUMONIA: state}
    if positive:
        labels[Finding.NO_FINDING] = LabelState.ABSENT
    elif kind is not None:
        normal = kind == "Normal"
        labels[Finding.NO_FINDING] = LabelState.PRESENT if normal else LabelState.ABSENT
    return labels


def _by_id(table: Path | None, key: str, value: str, notes: Notes) -> dict[str, str]:
    if table is None:
        return {}
    return {row[key]: row[value] for row in read_table(table, (key, value), notes)}
