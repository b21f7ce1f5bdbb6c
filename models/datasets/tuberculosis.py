"""Montgomery and Shenzhen tuberculosis films (Jaeger et al., Quant Imaging Med Surg 2014)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.vocabulary import Finding, Language
from imaging.study import View
from models.data.records import MaskKind
from models.datasets.dataset import DatasetCard, DatasetReader, Mark
from models.datasets.notes import Notes
from models.datasets.outlines import FileOutline
from models.datasets.record import (
    LabelOrigin,
    LabelState,
    Outline,
    RadiographRecord,
    ReportText,
)
from models.datasets.tables import files_by_name, read_text

_NAME: Final = re.compile(r"(MCUCXR|CHNCXR)_[0-9]{4}_([01])")
_SOURCES: Final = {"MCUCXR": "montgomery", "CHNCXR": "shenzhen"}
_SIDES: Final = {"leftMask": MaskKind.LEFT_LUNG, "rightMask": MaskKind.RIGHT_LUNG}
_WHO: Final = re.compile(r"^\s*(patient'?s\b|(fe)?male\b|sex\b|age\b)", re.IGNORECASE)
"""A line of a reading that says who the patient is."""


class Tuberculosis(DatasetReader):
    """`MCUCXR_0001_0.png` (Montgomery) and `CHNCXR_0001_0.png` (Shenzhen), at any depth.

    The last figure of a name says whether the film was read as normal (0) or as tuberculosis (1).
    A film of Shenzhen whose reading names only another disease is listed by its publishers under 1
    all the same. The readings lie in `ClinicalReadings/`; their lines on age and sex are left out.
    Patients are not told apart.
    """

    mark = Mark.FILE_NAMES
    card = DatasetCard(
        name="nlm-tuberculosis",
        title="Montgomery and Shenzhen tuberculosis sets",
        home="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/",
        terms="U.S. National Library of Medicine: research use, cite; no re-identification",
        cite="Jaeger et al., Quant Imaging Med Surg 4, 2014; Candemir et al., IEEE TMI 33, 2014",
        layout=(
            "MontgomerySet/CXR_png/MCUCXR_*.png and/or ChinaSet_AllFiles/CXR_png/CHNCXR_*.png",
            "MontgomerySet/ManualMask/leftMask/*.png and rightMask/*.png (lungs)",
            "CHNCXR_*_mask.png at any depth (both lungs; Stirenko et al., 2018)",
            "ClinicalReadings/*.txt (readings)",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        patterns = ("", "*/", "*/*/")
        if any(
            _NAME.match(path.name)
            for pattern in patterns
            for prefix in _SOURCES
            for path in folder.glob(f"{pattern}{prefix}_*.png")
            if "mask" not in path.parent.name.lower()
        ):
            return ()
        return ("there is no film named as MCUCXR_0001_0.png or CHNCXR_0001_0.png is",)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        # The two lung masks of a Montgomery film bear the film's own name.
        films: dict[str, tuple[re.Match[str], Path]] = {}
        outlines: dict[str, list[Outline]] = {}
        for path in sorted(folder.rglob("*.png")):
            named = _NAME.match(path.stem)
            if named is None:
                continue
            if path.parent.name in _SIDES:
                outline = FileOutline(_SIDES[path.parent.name], path)
                outlines.setdefault(named[0], []).append(outline)
            elif path.stem == f"{named[0]}_mask":
                outlines.setdefault(named[0], []).append(FileOutline(MaskKind.BOTH_LUNGS, path))
            elif path.stem == named[0] and "mask" not in path.parent.name.lower():
                films.setdefault(named[0], (named, path))
        readings = files_by_name(folder, (".txt",), notes)
        for name, (named, path) in films.items():
            sick = named[2] == "1"
            yield RadiographRecord(
                source=_SOURCES[named[1]],
                image_id=name,
                image=path,
                patient="",
                view=View.PA,
                labels={
                    Finding.TUBERCULOSIS: LabelState.PRESENT if sick else LabelState.ABSENT,
                    Finding.NO_FINDING: LabelState.ABSENT if sick else LabelState.PRESENT,
                },
                origin=LabelOrigin.REPORT_READERS,
                outlines=tuple(outlines.get(name, ())),
                report=_reading(readings.get(f"{name}.txt"), notes),
            )


def _reading(path: Path | None, notes: Notes) -> ReportText | None:
    text = read_text(path, notes) if path else None
    lines = [line.strip() for line in (text or "").splitlines()]
    kept = "\n".join(line for line in lines if line and not _WHO.match(line))
    return ReportText(kept, Language.ENGLISH) if kept else None
