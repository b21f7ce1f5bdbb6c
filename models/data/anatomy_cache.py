"""Decoded radiographs and masks of the anatomy sources, resized once and kept in memory.

All masks of an image share one byte per pixel, a bit per :class:`Plane`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from models.data.files import cache_key, replace_array
from models.data.records import AnatomyRecord, MaskKind, Split
from models.preprocessing import read_display, to_bytes, to_square


class Plane(IntEnum):
    """Bit of a pixel's byte; the first seven are the segmenter's outputs, in their order."""

    LEFT_LUNG = 0
    RIGHT_LUNG = 1
    HEART = 2
    LEFT_CLAVICLE = 3
    RIGHT_CLAVICLE = 4
    AIRWAYS = 5
    CARDIOMEDIASTINUM = 6
    BOTH_LUNGS = 7


_PLANE_OF = {
    MaskKind.LEFT_LUNG: Plane.LEFT_LUNG,
    MaskKind.RIGHT_LUNG: Plane.RIGHT_LUNG,
    MaskKind.HEART: Plane.HEART,
    MaskKind.LEFT_CLAVICLE: Plane.LEFT_CLAVICLE,
    MaskKind.RIGHT_CLAVICLE: Plane.RIGHT_CLAVICLE,
    MaskKind.AIRWAYS: Plane.AIRWAYS,
    MaskKind.CARDIOMEDIASTINUM: Plane.CARDIOMEDIASTINUM,
    MaskKind.BOTH_LUNGS: Plane.BOTH_LUNGS,
}
_DISTINCT_LUNGS_SHARE = 0.97
_SMALLER_LUNG_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class AnatomyArrays:
    """Images and masks of many records at one size.

    ``images`` and ``planes`` are uint8 ``(records, size, size)``; ``known`` is bool
    ``(records, 8)``: for which planes the mask was drawn.
    """

    images: NDArray[np.uint8]
    planes: NDArray[np.uint8]
    known: NDArray[np.bool_]
    sources: tuple[str, ...]
    splits: tuple[Split, ...]


def resize_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask to (height, width): a pixel is in when at least half of its area was."""
    if mask.shape == shape:
        return mask
    area = torch.from_numpy(mask.astype(np.float32))[None, None]
    resized = functional.interpolate(
        area, size=shape, mode="bilinear", antialias=True, align_corners=False
    )
    inside: NDArray[np.bool_] = (resized[0, 0] >= 0.5).numpy()
    return inside


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Decode a mask file; above 127 is inside."""
    with Image.open(path) as image:
        pixels: NDArray[np.bool_] = np.asarray(image.convert("L")) > 127
    return pixels


def split_lungs(
    both: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Part a mask of both lungs into (patient's left, patient's right).

    None unless it consists of two clearly separate lungs. The patient's left lies on the
    image's right.
    """
    from scipy import ndimage

    parts, count = ndimage.label(both)
    if count < 2:
        return None
    areas = np.bincount(parts.ravel())[1:]
    first, second = (int(index) + 1 for index in np.argsort(areas)[::-1][:2])
    total = float(areas.sum())
    if (areas[first - 1] + areas[second - 1]) / total < _DISTINCT_LUNGS_SHARE:
        return None
    if areas[second - 1] / total < _SMALLER_LUNG_SHARE:
        return None
    centres = ndimage.center_of_mass(both, parts, [first, second])
    left, right = (first, second) if centres[0][1] > centres[1][1] else (second, first)
    return parts == left, parts == right


def _encode(record: AnatomyRecord, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    planes = np.zeros((size, size), dtype=np.uint8)
    known = np.zeros(len(Plane), dtype=np.bool_)

    def put(plane: Plane, mask: NDArray[np.bool_]) -> None:
        planes[mask] |= np.uint8(1 << plane)
        known[plane] = True

    for kind, path in record.masks.items():
        mask = resize_mask(read_mask(path), (size, size))
        put(_PLANE_OF[kind], mask)
        if kind is MaskKind.BOTH_LUNGS and (lungs := split_lungs(mask)) is not None:
            put(Plane.LEFT_LUNG, lungs[0])
            put(Plane.RIGHT_LUNG, lungs[1])
    return planes, known


def load_anatomy(records: list[AnatomyRecord], size: int, folder: Path | None) -> AnatomyArrays:
    """Decode and resize ``records``, or take what an earlier call left in ``folder``.

    The cache is keyed by the records' ids, their masks and the size; another list of records makes
    another.
    """
    ids = (f"{record.source}/{record.image_id} {' '.join(record.masks)}" for record in records)
    key = cache_key(str(size), *ids)
    names = [f"anatomy-{key}-{part}.npy" for part in ("images", "planes", "known")]
    if folder is not None and all((folder / name).is_file() for name in names):
        images, planes, known = (np.load(folder / name, allow_pickle=False) for name in names)
    else:
        images = np.zeros((len(records), size, size), dtype=np.uint8)
        planes = np.zeros_like(images)
        known = np.zeros((len(records), len(Plane)), dtype=np.bool_)
        for index, record in enumerate(records):
            images[index] = to_bytes(to_square(read_display(record.image), size))
            planes[index], known[index] = _encode(record, size)
        if folder is not None:
            for name, array in zip(names, (images, planes, known), strict=True):
                replace_array(folder / name, array)
    return AnatomyArrays(
        images=images,
        planes=planes,
        known=known,
        sources=tuple(record.source for record in records),
        splits=tuple(record.split for record in records),
    )
