"""Read radiographs with boxes drawn around findings: NIH ChestX-ray14, JSRT, gbseg.

What is *not* drawn is kept apart from what is absent. A record says of each finding whether it is
present in the image, absent from it, or not known; and whether every finding that is stated to be
present is also drawn.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.data.finding_sources import NIH_COLUMNS
from models.data.records import Split

Box = tuple[float, float, float, float]

_NIH_FINDINGS: Final = {column: Finding(name) for name, column in NIH_COLUMNS.items()}
_JSRT_SIDE: Final = 1024
_LARGEST_NODULE_MM: Final = 30
"""Above it a nodule is called a mass (Fleischner Society glossary, Radiology 2008)."""

GBSEG_STRUCTURES: Final = {
    "ground_glass_opacities": Finding.GROUND_GLASS_OPACITY,
    "consolidation": Finding.CONSOLIDATION,
    "pleural_effusion": Finding.PLEURAL_EFFUSION,
    "pneumothorax": Finding.PNEUMOTHORAX,
    "endotracheal_tube": Finding.ENDOTRACHEAL_TUBE,
    "nasogastric_tube": Finding.NASOGASTRIC_TUBE,
    "central_venous_line": Finding.CENTRAL_VENOUS_CATHETER,
}
_SCATTERED: Final = {Finding.GROUND_GLASS_OPACITY, Finding.CONSOLIDATION}
"""Drawn as one mask of several patches, so each patch gets its own box."""
_SMALLEST_PATCH: Final = 0.003
"""Share of the image below which a patch of a mask is passed over."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box around one finding: (x_min, y_min, x_max, y_max) as shares of the image's sides."""

    finding: Finding
    box: Box


@dataclass(frozen=True, slots=True)
class BoxRecord:
    """A radiograph with the boxes drawn on it.

    ``present`` states presence in the image; a finding that it does not name is not known.
    ``complete`` says that no finding is stated to be present without being drawn, so that what
    lies outside the boxes may be taken for background. ``view`` is what the data set's own column
    says, empty where it has none.
    """

    source: str
    image_id: str
    patient: str
    image: Path
    split: Split
    boxes: tuple[DrawnBox, ...]
    present: dict[Finding, bool]
    complete: bool
    view: str = ""


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _box(row: dict[str, str], width: int, height: int) -> Box:
    try:
        x0, y0, x1, y1 = (float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max"))
    except (KeyError, ValueError) as error:
        raise StudyError(
            "a row of a box table lacks a number for x_min, y_min, x_max or y_max: "
            "check the table against the data's description"
        ) from error
    box = (
        min(max(x0 / width, 0.0), 1.0),
        min(max(y0 / height, 0.0), 1.0),
        min(max(x1 / width, 0.0), 1.0),
        min(max(y1 / height, 0.0), 1.0),
    )
    if not (box[0] < box[2] and box[1] < box[3]):
        raise StudyError(
            "a row of a box table holds a box without extent within its image: "
            "check the table against the data's description"
        )
    return box


def _image_size(path: Path) -> tuple[int, int]:
    """Width and height."""
    from PIL import Image

    with Image.open(path) as image:
        return image.size


def read_nih_boxes(data: Path) -> Iterator[BoxRecord]:
    """NIH ChestX-ray14: fourteen text-mined labels, boxes for eight of them.

    At most one box is drawn for a finding in an image, and only on some images. "No Finding"
    also denies ground-glass opacity, which has no label of its own. Images that the data's
    keepers remarked upon (a lateral view, a negative) are passed over.
    """
    folder = data / "nih"
    drawn: dict[str, list[dict[str, str]]] = {}
    if (folder / "boxes.csv").is_file():
        for row in _rows(folder / "boxes.csv"):
            drawn.setdefault(row["image"], []).append(row)
    for row in _rows(folder / "labels.csv"):
        image = folder / "images" / f"{row['image']}.jpg"
        if row.get("note") or not image.is_file():
            continue
        present = {
            finding: bool(int(float(row[column] or 0))) for column, finding in _NIH_FINDINGS.items()
        }
        rows = drawn.get(row["image"], [])
        size = _image_size(image) if rows else (1, 1)
        boxes = tuple(DrawnBox(_NIH_FINDINGS[own["finding"]], _box(own, *size)) for own in rows)
        if not any(present.values()) and int(float(row.get("No_Finding") or 0)):
            present[Finding.GROUND_GLASS_OPACITY] = False
        missing = {finding for finding, here in present.items() if here}
        missing -= {box.finding for box in boxes}
        yield BoxRecord(
            source="nih",
            image_id=row["image"],
            patient=row["patient"],
            image=image,
            split=Split(row.get("split", "")),
            boxes=boxes,
            present=present,
            complete=not missing,
            view=row.get("view", ""),
        )


def read_jsrt_boxes(data: Path) -> Iterator[BoxRecord]:
    """JSRT films: one nodule, confirmed by CT, or none; other findings are not stated.

    The box is the square of the nodule's size around its centre, in pixels of a 1,024 px image.
    """
    folder = data / "jsrt"
    nodules = {row["image"]: row for row in _rows(folder / "nodules.csv")}
    for row in _rows(folder / "split.csv"):
        image = folder / "images" / f"{row['image']}.jpg"
        if not image.is_file():
            continue
        nodule = nodules.get(row["image"])
        boxes: tuple[DrawnBox, ...] = ()
        present = {Finding.NODULE: False, Finding.MASS: False}
        if nodule is not None:
            large = float(nodule["size_mm"]) > _LARGEST_NODULE_MM
            finding = Finding.MASS if large else Finding.NODULE
            present[finding] = True
            boxes = (DrawnBox(finding, _box(nodule, _JSRT_SIDE, _JSRT_SIDE)),)
        yield BoxRecord(
            source="jsrt",
            image_id=row["image"],
            patient=row["image"],
            image=image,
            split=Split(row.get("split", "")),
            boxes=boxes,
            present=present,
            complete=True,
        )


def read_gbseg_boxes(data: Path) -> Iterator[BoxRecord]:
    """gbseg: boxes around the masks of opacities, lines and tubes; absence is never stated."""
    folder = data / "gbseg"
    drawn: dict[str, list[DrawnBox]] = {}
    for row in _rows(folder / "index.csv"):
        finding = GBSEG_STRUCTURES.get(row["structure"])
        mask = folder / "masks" / row["mask"]
        if finding is None or not mask.is_file():
            continue
        boxes = mask_boxes(_read_mask(mask), apart=finding in _SCATTERED)
        drawn.setdefault(row["image"], []).extend(DrawnBox(finding, box) for box in boxes)
    for row in _rows(folder / "split.csv"):
        image = folder / "images" / row["image"]
        if not image.is_file():
            continue
        own = tuple(drawn.get(row["image"], ()))
        yield BoxRecord(
            source="gbseg",
            image_id=row["image"],
            patient=row["patient"],
            image=image,
            split=Split(row.get("split", "")),
            boxes=own,
            present={box.finding: True for box in own},
            complete=False,
        )


def _read_mask(path: Path) -> NDArray[np.bool_]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127


def mask_boxes(mask: NDArray[np.bool_], apart: bool) -> list[Box]:
    """Boxes, as shares of the sides, of a mask's connected patches, or of all of it as one."""
    from scipy import ndimage

    height, width = mask.shape
    patches, count = ndimage.label(mask) if apart else (mask.astype(np.int32), int(mask.any()))
    boxes = []
    for number, place in enumerate(ndimage.find_objects(patches, max_label=count), start=1):
        if place is None:
            continue
        if apart and np.count_nonzero(patches[place] == number) < _SMALLEST_PATCH * mask.size:
            continue
        rows, columns = place
        boxes.append(
            (
                columns.start / width,
                rows.start / height,
                columns.stop / width,
                rows.stop / height,
            )
        )
    return boxes


_READERS: Final[dict[str, tuple[str, Callable[[Path], Iterator[BoxRecord]]]]] = {
    "nih": ("nih/labels.csv", read_nih_boxes),
    "jsrt": ("jsrt/nodules.csv", read_jsrt_boxes),
    "gbseg": ("gbseg/index.csv", read_gbseg_boxes),
}


def read_boxes(data: Path, folders: tuple[str, ...] = tuple(_READERS)) -> list[BoxRecord]:
    """Read every named folder that exists under ``data``; a missing one is passed over.

    Any other name is that of a published data set (:mod:`models.datasets.registry`), such as
    ``vindr-cxr``, and ``data`` is then its folder.

    Raises:
        StudyError: a row holds no usable box.
        UserInputError: the name is not known, or the folder is not that data set.
    """
    records: list[BoxRecord] = []
    for name in folders:
        if name not in _READERS:
            from models.data.box_datasets import read_published_boxes

            records.extend(read_published_boxes(data, name))
            continue
        table, reader = _READERS[name]
        if (data / table).is_file():
            records.extend(reader(data))
    return records
