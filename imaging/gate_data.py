"""The pictures that train and measure the input gate, read from a folder of public data sets.

The folder is laid out as the tables in it say (`nih/labels.csv`, `tb/labels.csv`, …); a data set
that is absent is left out. Turned, mirrored, inverted and cropped pictures are made from these.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from pathlib import Path

from findings.claims import Frozen
from imaging.gate_network import PictureKind
from imaging.study import FloatImage

_HELD_OUT_SHARE = 0.3
"""Of pictures whose table has no split column."""


class GatePicture(Frozen):
    """One picture with what is known of it; `None` = not known."""

    path: Path
    source: str
    kind: PictureKind
    group: str
    """Pictures of one patient share it."""
    split: str
    """`train` or `val`."""
    quarter_turns: int = 0
    """How often the picture was turned 90° counter-clockwise from upright."""
    inverted: bool = False
    age_years: float | None = None
    antero_posterior: bool | None = None
    atypical: bool = False
    """The table notes something odd about the picture; it trains and calibrates nothing."""

    @property
    def share(self) -> float:
        """A fixed pseudo-random number in [0, 1) of the patient."""
        return zlib.crc32(self.group.encode()) / 2**32


def gate_pictures(data: Path) -> tuple[GatePicture, ...]:
    """Every picture in the folder, in a fixed order."""
    readers = (_nih, _tb, _jsrt, _openist, _covid, _paediatric, _no_frontal, _not_chest, _turned)
    return tuple(picture for reader in readers for picture in reader(data))


def read_gray(path: Path) -> FloatImage:
    """A picture file as display values in [0, 1], through the application's own loader."""
    from imaging.limits import LoadLimits
    from imaging.raster import read_raster

    return read_raster(path.read_bytes(), LoadLimits()).display


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as stream:
            yield from csv.DictReader(stream)


def _split(group: str) -> str:
    return "val" if zlib.crc32(group.encode()) / 2**32 < _HELD_OUT_SHARE else "train"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _antero_posterior(view: str) -> bool | None:
    return None if not view else view.startswith("AP")


def _nih(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "nih/labels.csv"):
        note = row["note"]
        yield GatePicture(
            path=data / "nih/images" / f"{row['image']}.jpg",
            source="nih",
            kind=PictureKind.LATERAL if note.startswith("lateral") else PictureKind.FRONTAL,
            group=f"nih-{row['patient']}",
            split=row["split"],
            inverted="negative" in note,
            age_years=_number(row["age"]),
            antero_posterior=_antero_posterior(row["view"]),
            atypical=any(word in note for word in ("abdomen", "lateral", "negative")),
        )


def _tb(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "tb/labels.csv"):
        yield GatePicture(
            path=data / "tb/images" / f"{row['image']}.jpg",
            source=f"tb-{row['source']}",
            kind=PictureKind.FRONTAL,
            group=row["image"],
            split=row["split"],
            age_years=_number(row["age"]),
        )


def _jsrt(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "jsrt/split.csv"):
        yield GatePicture(
            path=data / "jsrt/images" / f"{row['image']}.jpg",
            source="jsrt",
            kind=PictureKind.FRONTAL,
            group=row["image"],
            split=row["split"],
            age_years=_number(row["age"]),
            antero_posterior=False,
        )


def _openist(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "openist/split.csv"):
        yield GatePicture(
            path=data / "openist/images" / f"{row['image']}.jpg",
            source="openist",
            kind=PictureKind.FRONTAL,
            group=row["image"],
            split=row["split"],
        )


def _covid(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "covid/metadata.csv"):
        yield GatePicture(
            path=data / row["image"],
            source=row["image"].split("/")[0],
            kind=PictureKind.FRONTAL,
            group=f"covid-{row['patient']}",
            split=row["split"],
            age_years=_number(row["age"]),
            antero_posterior=_antero_posterior(row["view"]),
        )


def _paediatric(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "paediatric/labels.csv"):
        yield GatePicture(
            path=data / "paediatric/images" / f"{row['image']}.jpg",
            source="paediatric",
            kind=PictureKind.FRONTAL,
            group=row["patient"],
            split=row["split"],
            # Every child of this set was one to five years old.
            age_years=3,
            antero_posterior=None,
        )


def _no_frontal(data: Path) -> Iterator[GatePicture]:
    splits = {row["patient"]: row["split"] for row in _rows(data / "covid/metadata.csv")}
    for row in _rows(data / "covid/gate_images.csv"):
        lateral = row["kind"].startswith("lateral")
        group = f"covid-{row['patient']}"
        yield GatePicture(
            path=data / row["image"],
            source="laterals" if lateral else "ct_slices",
            kind=PictureKind.LATERAL if lateral else PictureKind.SLICE,
            group=group,
            split=splits.get(row["patient"]) or _split(group),
        )


def _not_chest(data: Path) -> Iterator[GatePicture]:
    for row in _rows(data / "not_chest/index.csv"):
        hand = row["kind"] == "Hand"
        yield GatePicture(
            path=data / "not_chest" / row["image"],
            source="not_chest",
            kind=PictureKind.OTHER_BODY if hand else PictureKind.SLICE,
            group=row["image"],
            split=_split(row["image"]),
        )


def _turned(data: Path) -> Iterator[GatePicture]:
    turns = {"90 clockwise": 1, "180": 2, "90 counter-clockwise": 3}
    for row in _rows(data / "orientation/index.csv"):
        yield GatePicture(
            path=data / "orientation/images" / f"{row['image']}.jpg",
            source="orientation",
            kind=PictureKind.FRONTAL,
            group=f"nih-{row['patient']}",
            split=row["split"],
            quarter_turns=turns[row["turn_to_upright"]],
            antero_posterior=_antero_posterior(row["view"]),
        )
