"""Read the folders with masks of anatomy: JSRT, OpenIST, gbseg, tb, covid."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from models.data.records import AnatomyRecord, MaskKind, Split

_JSRT_PARTS = (
    MaskKind.LEFT_LUNG,
    MaskKind.RIGHT_LUNG,
    MaskKind.HEART,
    MaskKind.LEFT_CLAVICLE,
    MaskKind.RIGHT_CLAVICLE,
)
_GBSEG_PARTS = (
    MaskKind.LEFT_LUNG,
    MaskKind.RIGHT_LUNG,
    MaskKind.CARDIOMEDIASTINUM,
    MaskKind.AIRWAYS,
)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def read_jsrt(data: Path) -> list[AnatomyRecord]:
    """JSRT films with the SCR outlines: each lung, heart, each clavicle."""
    folder = data / "jsrt"
    records = []
    for row in _rows(folder / "split.csv"):
        stem = row["image"]
        masks = {part: folder / "masks" / f"{stem}_{part}.png" for part in _JSRT_PARTS}
        records.append(
            AnatomyRecord(
                source="jsrt",
                image_id=stem,
                image=folder / "images" / f"{stem}.jpg",
                split=Split(row.get("split", "")),
                masks={part: path for part, path in masks.items() if path.is_file()},
            )
        )
    return records


def read_openist(data: Path) -> list[AnatomyRecord]:
    """OpenIST: normal radiographs, both lungs in one mask."""
    folder = data / "openist"
    return [
        AnatomyRecord(
            source="openist",
            image_id=row["image"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            masks={MaskKind.BOTH_LUNGS: folder / "masks" / f"{row['image']}_lungs.png"},
        )
        for row in _rows(folder / "split.csv")
    ]


def read_gbseg(data: Path) -> list[AnatomyRecord]:
    """gbseg: COVID-era radiographs; the lung masks run on behind the heart."""
    folder = data / "gbseg"
    masks: dict[str, dict[MaskKind, Path]] = {}
    wanted = {str(part): part for part in _GBSEG_PARTS}
    for row in _rows(folder / "index.csv"):
        if row["structure"] in wanted:
            part = wanted[row["structure"]]
            masks.setdefault(row["image"], {})[part] = folder / "masks" / row["mask"]
    return [
        AnatomyRecord(
            source="gbseg",
            image_id=row["image"],
            image=folder / "images" / row["image"],
            split=Split(row.get("split", "")),
            masks=masks.get(row["image"], {}),
        )
        for row in _rows(folder / "split.csv")
    ]


def read_tb(data: Path) -> list[AnatomyRecord]:
    """Montgomery and Shenzhen radiographs that have a mask of both lungs."""
    folder = data / "tb"
    return [
        AnatomyRecord(
            source=row["source"],
            image_id=row["image"],
            image=folder / "images" / f"{row['image']}.jpg",
            split=Split(row.get("split", "")),
            masks={MaskKind.BOTH_LUNGS: mask},
        )
        for row in _rows(folder / "labels.csv")
        if (mask := folder / "masks" / f"{row['image']}.png").is_file()
    ]


def read_covid(data: Path) -> list[AnatomyRecord]:
    """COVID image data collection, the images with a lung mask by V7 annotators.

    Images that gbseg also holds are left to gbseg, whose outlines are radiologists'.
    """
    return [
        AnatomyRecord(
            source="covid",
            image_id=Path(row["image"]).name,
            image=data / row["image"],
            split=Split(row.get("split", "")),
            masks={MaskKind.BOTH_LUNGS: data / row["lung_mask"]},
        )
        for row in _rows(data / "covid" / "metadata.csv")
        if row["lung_mask"] and not row["image"].startswith("gbseg/")
    ]


_READERS: dict[str, tuple[str, Callable[[Path], list[AnatomyRecord]]]] = {
    "jsrt": ("jsrt/split.csv", read_jsrt),
    "openist": ("openist/split.csv", read_openist),
    "gbseg": ("gbseg/split.csv", read_gbseg),
    "tb": ("tb/labels.csv", read_tb),
    "covid": ("covid/metadata.csv", read_covid),
}


def read_anatomy(data: Path, folders: tuple[str, ...] = tuple(_READERS)) -> list[AnatomyRecord]:
    """Read every named folder that exists under ``data``; a missing one is passed over."""
    records: list[AnatomyRecord] = []
    for name in folders:
        table, reader = _READERS[name]
        if (data / table).is_file():
            records.extend(record for record in reader(data) if record.image.is_file())
    return records
