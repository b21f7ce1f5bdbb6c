"""Decoded radiographs of the finding sources with the box around their lungs, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.files import cache_key, cached
from models.data.finding_sources import NIH_COLUMNS, PAEDIATRIC_PNEUMONIA, TUBERCULOSIS
from models.data.pictures import read_film
from models.data.records import FindingRecord, Split
from models.preprocessing import to_bytes, to_square
from models.segmenter.inference import AnatomySegmenter

FINDINGS = tuple(NIH_COLUMNS)
TARGETS = (*FINDINGS, TUBERCULOSIS, PAEDIATRIC_PNEUMONIA)
"""What a classifier network is taught, in the order of its outputs."""
WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class FindingArrays:
    """Images, labels and lung boxes of many records.

    ``images`` is uint8 ``(records, size, size)``; ``boxes`` float32 ``(records, 4)``: x_min,
    y_min, x_max, y_max as shares of the image, the whole image where the lungs were not found;
    ``labels`` and ``known`` bool ``(records, targets)``: a label counts where it is known;
    ``patients`` numbers the patients.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]
    patients: NDArray[np.int64]
    splits: tuple[Split, ...]
    sources: tuple[str, ...]

    def of(self, split: Split, *sources: str) -> NDArray[np.int64]:
        """Indices of the records of a split, from these sources or from all."""
        return np.flatnonzero(
            [
                own is split and (not sources or source in sources)
                for own, source in zip(self.splits, self.sources, strict=True)
            ]
        )


def load_findings(
    records: list[FindingRecord], size: int, segmenter: AnatomySegmenter | None, folder: Path | None
) -> FindingArrays:
    """Decode and resize, or take what an earlier call left in ``folder``.

    With a segmenter the lungs are found; without one every box is the whole image.
    The cache of images is keyed by ids and size, that of boxes also by the segmenter's
    weights.
    """
    ids = [f"{record.source}/{record.image_id}" for record in records]
    images = cached(
        folder, f"findings-{cache_key(str(size), *ids)}-images", lambda: _decode(records, size)
    )
    boxes = np.tile(np.array(WHOLE_IMAGE, dtype=np.float32), (len(records), 1))
    if segmenter is not None:
        weights = segmenter.config.weights_sha256
        boxes = cached(
            folder,
            f"findings-{cache_key(str(size), weights, *ids)}-boxes",
            lambda: _lung_boxes(images, segmenter),
        )
    _, patients = np.unique([f"{r.source}/{r.patient}" for r in records], return_inverse=True)
    return FindingArrays(
        images=images,
        boxes=boxes,
        labels=np.array([[bool(r.labels.get(t)) for t in TARGETS] for r in records]),
        known=np.array([[t in r.labels for t in TARGETS] for r in records]),
        patients=patients.astype(np.int64),
        splits=tuple(record.split for record in records),
        sources=tuple(record.source for record in records),
    )


def _decode(records: list[FindingRecord], size: int) -> NDArray[np.uint8]:
    images = np.zeros((len(records), size, size), dtype=np.uint8)
    for index, record in enumerate(records):
        images[index] = to_bytes(to_square(read_film(record.image), size))
    return images


def _lung_boxes(images: NDArray[np.uint8], segmenter: AnatomySegmenter) -> NDArray[np.float32]:
    boxes = np.tile(np.array(WHOLE_IMAGE, dtype=np.float32), (len(images), 1))
    for index, image in enumerate(images):
        box = segmenter.segment(image.astype(np.float32) / 255).lung_box()
        if box is not None:
            boxes[index] = np.array(box) / len(image)
    return boxes
