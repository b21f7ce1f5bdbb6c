"""JSRT films (Shiraishi et al., AJR 2000) with SCR's outlines (van Ginneken et al., MedIA 2006)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.evidence import Box
from findings.vocabulary import Finding
from imaging.study import View
from models.data.records import MaskKind
from models.datasets.dataset import DatasetCard, DatasetReader, Mark
from models.datasets.notes import Notes, Problem
from models.datasets.outlines import FileOutline
from models.datasets.record import FindingBox, LabelOrigin, LabelState, Outline, RadiographRecord
from models.datasets.tables import files_by_name, number, read_text

_NODULE_TABLE: Final = "CLNDAT_EN.txt"
_NAME: Final = re.compile(r"JPC(LN|NN)[0-9]{3}")
_FRAME: Final = (2048, 2048)
_SPACING_MM: Final = 0.175
_STRUCTURES: Final = {
    "left lung": MaskKind.LEFT_LUNG,
    "right lung": MaskKind.RIGHT_LUNG,
    "heart": MaskKind.HEART,
    "left clavicle": MaskKind.LEFT_CLAVICLE,
    "right clavicle": MaskKind.RIGHT_CLAVICLE,
}


class JsrtScr(DatasetReader):
    """`JPCLN001.IMG` … (nodule) and `JPCNN001.IMG` … (none), with SCR's `masks/` at any depth.

    The box of a nodule is a square of its stated size at 0.175 mm a pixel around its stated
    place, in the original frame of 2048 × 2048; without `CLNDAT_EN.txt` there are no boxes. A film
    has one nodule or none. One film is one patient. Sides are the patient's.
    """

    mark = Mark.FILE_NAMES
    card = DatasetCard(
        name="jsrt-scr",
        title="JSRT with SCR outlines",
        home="http://db.jsrt.or.jp/eng.php; https://zenodo.org/records/7056076",
        terms="JSRT: free for research, cite; SCR: research use",
        cite="Shiraishi et al., AJR 174, 2000; van Ginneken et al., Med Image Anal 10, 2006",
        layout=(
            "JPCLN001.IMG … JPCNN093.IMG (or .png, .jpg, .tif) at any depth",
            "CLNDAT_EN.txt (place and size of the nodules) at any depth",
            "masks/heart/JPCLN001.gif …, in fold1/ and fold2/ or together",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        for name in _images(folder, Notes()):
            if _NAME.fullmatch(name):
                return ()
        return ("there is no film named as JPCLN001.IMG or JPCNN001.IMG is",)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        nodules = _nodules(folder, notes)
        outlines = _outlines(folder)
        for name, path in sorted(_images(folder, notes).items()):
            nodule = name.startswith("JPCLN")
            box = nodules.get(name)
            yield RadiographRecord(
                source=self.card.name,
                image_id=name,
                image=path,
                patient=name,
                view=View.PA,
                labels={Finding.NODULE: LabelState.PRESENT if nodule else LabelState.ABSENT},
                origin=LabelOrigin.RADIOLOGISTS,
                boxes=(FindingBox(Finding.NODULE, box, "nodule"),) if box else (),
                boxed=frozenset({Finding.NODULE}) if nodules else frozenset(),
                outlines=tuple(outlines.get(name, ())),
                frame=_FRAME,
            )


def _images(folder: Path, notes: Notes) -> dict[str, Path]:
    """Films by name; a film that is there in several formats is taken once, the raw one first."""
    found: dict[str, Path] = {}
    for suffixes in ((".img",), (".png", ".tif", ".tiff", ".jpg", ".jpeg")):
        for path in files_by_name(folder, suffixes, notes).values():
            name = path.stem.upper()
            if _NAME.fullmatch(name) and path.parent.name not in _STRUCTURES:
                found.setdefault(name, path)
    return found


def _nodules(folder: Path, notes: Notes) -> dict[str, Box]:
    """Boxes out of `CLNDAT_EN.txt`: name, subtlety, size in mm, age, sex, x, y, …, by tabs."""
    tables = [*folder.glob(_NODULE_TABLE), *folder.glob(f"*/{_NODULE_TABLE}")]
    boxes: dict[str, Box] = {}
    if not tables:
        return boxes
    for line in (read_text(tables[0], notes) or "").splitlines():
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        name = cells[0].split(".")[0].upper() if cells else ""
        if not _NAME.fullmatch(name):
            continue
        size, x, y = (
            (number(cell) for cell in (*cells[2:3], *cells[5:7]))
            if len(cells) > 6
            else (
                None,
                None,
                None,
            )
        )
        if size is None or x is None or y is None or size <= 0:
            notes.add(Problem.BROKEN_ROW)
            continue
        half = size / _SPACING_MM / 2
        boxes[name] = (x - half, y - half, x + half, y + half)
    return boxes


def _outlines(folder: Path) -> dict[str, list[Outline]]:
    found: dict[str, list[Outline]] = {}
    for fold in ("", "fold1", "fold2", "scratch/fold1", "scratch/fold2", "SCR/fold1", "SCR/fold2"):
        for name, structure in _STRUCTURES.items():
            for path in sorted((folder / fold / "masks" / name).glob("*")):
                if path.suffix.lower() in (".gif", ".png"):
                    outline = FileOutline(structure, path)
                    found.setdefault(path.stem.upper(), []).append(outline)
    return found
