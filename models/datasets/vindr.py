"""VinDr-CXR (Nguyen et al., Scientific Data 2022): boxes and labels of several radiologists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of
from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.boxes import corners
from models.datasets.dataset import DatasetCard, DatasetReader
from models.datasets.notes import Notes, Problem
from models.datasets.record import FindingBox, LabelOrigin, LabelState, RadiographRecord, Reading
from models.datasets.tables import (
    Row,
    columns_of,
    files_by_name,
    find_table,
    missing_columns,
    read_table,
)

_ANNOTATIONS: Final = {
    Split.TRAIN: ("annotations/annotations_train.csv", "annotations_train.csv"),
    Split.TEST: ("annotations/annotations_test.csv", "annotations_test.csv"),
}
_LABELS: Final = {
    Split.TRAIN: ("annotations/image_labels_train.csv", "image_labels_train.csv"),
    Split.TEST: ("annotations/image_labels_test.csv", "image_labels_test.csv"),
}
_CHALLENGE: Final = ("train.csv", "vinbigdata-train.csv")
_CORNERS: Final = ("x_min", "y_min", "x_max", "y_max")
_SUFFIXES: Final = (".dicom", ".dcm", ".png", ".jpg", ".jpeg")
_CHALLENGE_LABELS: Final = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
_LOCAL_LABELS: Final = (
    *_CHALLENGE_LABELS,
    "Clavicle fracture",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Rib fracture",
)
_SPELLINGS: Final = {"Other disease": "Other diseases"}
"""The test table's spelling → the training table's."""
_CONSENSUS: Final = ""
"""The test part was read by five radiologists, of whom the tables give the consensus only."""


@dataclass
class _Image:
    """What the tables say of one image, gathered over the rows of all its readers."""

    split: Split
    boxed: frozenset[Finding]
    asked: set[Finding]
    marked: dict[str, set[Finding]] = field(default_factory=dict)
    """Reader → findings that this reader marked; a reader who marked none has an empty set."""
    boxes: list[FindingBox] = field(default_factory=list)

    def labels(self) -> dict[Finding, LabelState]:
        """Present where most readers say so, uncertain where fewer do, absent where none does."""
        votes = Counter(finding for present in self.marked.values() for finding in present)
        readers = len(self.marked)
        states = {}
        for finding in sorted(self.asked | set(votes)):
            if votes[finding] * 2 > readers:
                states[finding] = LabelState.PRESENT
            else:
                states[finding] = LabelState.UNCERTAIN if votes[finding] else LabelState.ABSENT
        return states


class VinDrCxr(DatasetReader):
    """The release on PhysioNet, or the Kaggle challenge's `train.csv`.

    On PhysioNet each training image has three readings (`rad_id`), each test image the consensus of
    five. The 22 local findings are boxed wherever a radiologist sees them; the six global ones
    have labels only. The challenge's table has 14 of the local findings.
    """

    card = DatasetCard(
        name="vindr-cxr",
        title="VinDr-CXR",
        home="https://physionet.org/content/vindr-cxr/",
        terms="PhysioNet Credentialed Health Data License 1.5.0; no sharing, no re-identification",
        cite="Nguyen et al., VinDr-CXR, Scientific Data 9, 2022",
        layout=(
            "annotations/annotations_train.csv or train.csv (challenge)",
            "train/*.dicom, test/*.dicom (or PNG or JPEG files of the original size)",
            "annotations/image_labels_train.csv",
            "annotations/annotations_test.csv, annotations/image_labels_test.csv",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        if any(find_table(folder, *names) for names in _ANNOTATIONS.values()):
            return ()
        if table := find_table(folder, *_CHALLENGE):
            return missing_columns(table, ("image_id", "class_name", *_CORNERS))
        return ("there is neither annotations/annotations_train.csv nor the challenge's train.csv",)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        images: dict[str, _Image] = {}
        boxed = _findings(_LOCAL_LABELS)
        for split, names in _LABELS.items():
            if table := find_table(folder, *names):
                _read_labels(table, _Image(split, boxed, set()), images, notes)
        annotated = {split: find_table(folder, *names) for split, names in _ANNOTATIONS.items()}
        if not any(annotated.values()):
            annotated[Split.TRAIN] = find_table(folder, *_CHALLENGE)
            boxed = _findings(_CHALLENGE_LABELS)
        for split, table in annotated.items():
            if table:
                _read_annotations(table, _Image(split, boxed, set(boxed)), images, notes)
        files = {path.stem: path for path in files_by_name(folder, _SUFFIXES, notes).values()}
        for image_id, image in images.items():
            yield RadiographRecord(
                source=self.card.name,
                image_id=image_id,
                image=files.get(image_id, folder / "absent"),
                # The publishers tell no patients apart.
                patient="",
                split=image.split,
                labels=image.labels(),
                origin=LabelOrigin.RADIOLOGISTS,
                readings=tuple(
                    Reading(reader=reader, present=frozenset(present))
                    for reader, present in sorted(image.marked.items())
                    if reader != _CONSENSUS
                ),
                boxes=tuple(image.boxes),
                boxed=image.boxed,
            )


def _findings(labels: tuple[str, ...]) -> frozenset[Finding]:
    return frozenset(f for label in labels if (f := finding_of(LabelSet.VINDR, label)) is not None)


def _of(images: dict[str, _Image], row: Row, blank: _Image) -> tuple[_Image, str]:
    """The image that a row is about, and the reader who made the row."""
    image = images.get(row["image_id"])
    if image is None:
        image = images[row["image_id"]] = _Image(blank.split, blank.boxed, set())
    image.asked |= blank.asked
    reader = row.get("rad_id") or _CONSENSUS
    image.marked.setdefault(reader, set())
    return image, reader


def _read_labels(table: Path, blank: _Image, images: dict[str, _Image], notes: Notes) -> None:
    named = {}
    for column in columns_of(table):
        if column in ("", "image_id", "rad_id"):
            continue
        finding = finding_of(LabelSet.VINDR, _SPELLINGS.get(column, column))
        if finding is None:
            notes.unmapped_label(column)
        else:
            named[column] = finding
    blank.asked |= set(named.values())
    for row in read_table(table, ("image_id",), notes):
        image, reader = _of(images, row, blank)
        image.marked[reader].update(
            finding for column, finding in named.items() if row[column] in ("1", "1.0")
        )


def _read_annotations(table: Path, blank: _Image, images: dict[str, _Image], notes: Notes) -> None:
    blank.asked.add(Finding.NO_FINDING)
    for row in read_table(table, ("image_id", "class_name", *_CORNERS), notes):
        image, reader = _of(images, row, blank)
        finding = finding_of(LabelSet.VINDR, row["class_name"])
        if finding is None:
            notes.unmapped_label(row["class_name"])
            continue
        image.marked[reader].add(finding)
        if finding is Finding.NO_FINDING:
            continue
        box = corners(*(row[column] for column in _CORNERS))
        if box is None:
            # A finding of the whole image has a row without a box, and that is no fault.
            if any(row[column] for column in _CORNERS):
                notes.add(Problem.BROKEN_BOX)
            continue
        image.boxes.append(
            FindingBox(finding=finding, box=box, label=row["class_name"], reader=reader)
        )
