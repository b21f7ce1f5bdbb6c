"""Drawn boxes of the published data sets that `models.datasets` reads, VinDr-CXR above all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.data.box_sources import BoxRecord, DrawnBox
from models.data.records import Split
from models.datasets.box_merging import merge_boxes
from models.datasets.pixels import image_size
from models.datasets.record import LabelState, RadiographRecord
from models.datasets.registry import open_dataset

_VALIDATION_SHARE: Final = 5
"""One in so many training images validates where the publishers set none apart (CliniQure,
section 4.2.1: 80 % and 20 %)."""


def read_published_boxes(data: Path, kind: str) -> Iterator[BoxRecord]:
    """Every radiograph of the folder of a published data set, its radiologists' boxes merged.

    Boxes are merged as CliniQure does (section 4.1), and a merged box stands for each finding that
    was marked there. What a minority of readers marked is drawn all the same; what nobody drew but
    the labels state stays undrawn.

    Raises:
        UserInputError: the folder is not laid out as that data set.
        StudyError: the size of an image cannot be read.
    """
    records = list(open_dataset(data, kind).records())
    lacks_validation = not any(record.split is Split.VAL for record in records)
    for record in records:
        split = record.split
        if lacks_validation and split is Split.TRAIN and _validates(record.image_id):
            split = Split.VAL
        yield _box_record(record, split)


def _validates(image_id: str) -> bool:
    return hashlib.sha256(image_id.encode()).digest()[0] % _VALIDATION_SHARE == 0


def _box_record(record: RadiographRecord, split: Split) -> BoxRecord:
    boxes: tuple[DrawnBox, ...] = ()
    if record.boxes:
        width, height = record.frame or image_size(record.image)
        boxes = tuple(
            DrawnBox(finding, (x0 / width, y0 / height, x1 / width, y1 / height))
            for merged in merge_boxes(record.boxes)
            for x0, y0, x1, y1 in [
                (
                    max(merged.box[0], 0.0),
                    max(merged.box[1], 0.0),
                    min(merged.box[2], float(width)),
                    min(merged.box[3], float(height)),
                )
            ]
            for finding in merged.findings
            if x0 < x1 and y0 < y1
        )
    drawn = {box.finding for box in boxes}
    present = {
        finding: state is LabelState.PRESENT
        for finding, state in record.labels.items()
        if state in (LabelState.PRESENT, LabelState.ABSENT)
    } | dict.fromkeys(drawn, True)
    stated = {finding for finding, here in present.items() if here}
    return BoxRecord(
        source=record.source,
        image_id=record.image_id,
        patient=record.patient_key,
        image=record.image,
        split=split,
        boxes=boxes,
        present=present,
        # Where findings were boxed wherever they were seen, no box means no finding.
        complete=bool(record.boxed) or stated <= drawn,
    )
