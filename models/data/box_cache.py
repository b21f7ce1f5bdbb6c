"""Decoded radiographs with their drawn boxes, kept in memory for training and measuring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.vocabulary import Finding
from models.data.anatomy_cache import resize_mask
from models.data.box_sources import BoxRecord
from models.data.files import cache_key, cached
from models.data.pictures import read_film
from models.data.records import Split
from models.preprocessing import to_bytes, to_square
from models.segmenter.inference import AnatomySegmenter, Structure

LUNGS_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class BoxArrays:
    """Images and boxes of many records, for the findings asked about.

    ``images`` is uint8 ``(records, size, size)``; ``boxes`` float32 ``(boxes, 4)`` for each
    record, as shares of the image; ``findings`` int64 ``(boxes,)`` numbers each box's finding;
    ``stated`` int8 ``(records, findings)``: 1 present, 0 absent, -1 not known; ``complete`` bool
    ``(records,)``, see :class:`models.data.box_sources.BoxRecord`.
    """

    images: NDArray[np.uint8]
    boxes: tuple[NDArray[np.float32], ...]
    findings: tuple[NDArray[np.int64], ...]
    stated: NDArray[np.int8]
    complete: NDArray[np.bool_]
    splits: tuple[Split, ...]
    sources: tuple[str, ...]

    def of(self, split: Split) -> NDArray[np.int64]:
        """Indices of the records of a split."""
        return np.flatnonzero([own is split for own in self.splits])

    def drawn(self) -> NDArray[np.bool_]:
        """Which records carry at least one box."""
        return np.array([len(own) > 0 for own in self.boxes], dtype=np.bool_)


def load_boxes(
    records: list[BoxRecord], findings: tuple[Finding, ...], size: int, folder: Path | None
) -> BoxArrays:
    """Decode and resize, or take the images that an earlier call left in ``folder``."""
    ids = [f"{record.source}/{record.image_id}" for record in records]
    images = cached(folder, f"boxes-{cache_key(str(size), *ids)}", lambda: _decode(records, size))
    number = {finding: place for place, finding in enumerate(findings)}
    own = [[box for box in record.boxes if box.finding in number] for record in records]
    return BoxArrays(
        images=images,
        boxes=tuple(
            np.array([box.box for box in boxes], dtype=np.float32).reshape(-1, 4) for boxes in own
        ),
        findings=tuple(
            np.array([number[box.finding] for box in boxes], dtype=np.int64) for boxes in own
        ),
        stated=np.array(
            [
                [int(record.present[f]) if f in record.present else -1 for f in findings]
                for record in records
            ],
            dtype=np.int8,
        ).reshape(len(records), len(findings)),
        complete=np.array([record.complete for record in records], dtype=np.bool_),
        splits=tuple(record.split for record in records),
        sources=tuple(record.source for record in records),
    )


def load_lungs(
    arrays: BoxArrays,
    indices: NDArray[np.int64],
    segmenter: AnatomySegmenter,
    folder: Path | None,
) -> NDArray[np.bool_]:
    """Coarse masks of both lungs: bool ``(records, LUNGS_SIZE, LUNGS_SIZE)``.

    Outlined for the records at ``indices``; empty for all others and where the lungs cannot be
    trusted. The cache is keyed by the images themselves and the segmenter's weights.
    """
    images = arrays.images[indices]
    content = hashlib.sha256(images.tobytes()).hexdigest()
    key = cache_key(segmenter.config.weights_sha256, content)
    found = cached(folder, f"boxes-{key}-lungs", lambda: _outline(images, segmenter))
    lungs = np.zeros((len(arrays.images), LUNGS_SIZE, LUNGS_SIZE), dtype=np.bool_)
    lungs[indices] = found
    return lungs


def _outline(images: NDArray[np.uint8], segmenter: AnatomySegmenter) -> NDArray[np.bool_]:
    lungs = np.zeros((len(images), LUNGS_SIZE, LUNGS_SIZE), dtype=np.bool_)
    for index, image in enumerate(images):
        found = segmenter.segment(image.astype(np.float32) / 255)
        if found.lung_box() is not None:
            both = found.masks[Structure.LEFT_LUNG] | found.masks[Structure.RIGHT_LUNG]
            lungs[index] = resize_mask(both, (LUNGS_SIZE, LUNGS_SIZE))
    return lungs


def _decode(records: list[BoxRecord], size: int) -> NDArray[np.uint8]:
    images = np.zeros((len(records), size, size), dtype=np.uint8)
    for index, record in enumerate(records):
        images[index] = to_bytes(to_square(read_film(record.image), size))
    return images
