"""An expert that answers from a film's brightness, and tables as data folders hold them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from findings.errors import ExpertError
from findings.evidence import Classification, Detection, Evidence
from findings.vocabulary import Finding
from imaging.study import Study
from models.data.finding_sources import NIH_COLUMNS
from tools.contract import ExpertCard, ExpertContext, Role


class BrightnessExpert:
    """Calls every finding as likely as the film's upper left pixel is bright; counts its looks."""

    def __init__(self, role: Role = Role.CLASSIFIER, *, here: bool = True) -> None:
        self.role, self.here, self.looks = role, here, 0

    @property
    def card(self) -> ExpertCard:
        uses = (Role.DETECTOR,) if self.role is Role.CLASSIFIER else ()
        return ExpertCard(
            role=self.role, name="brightness", version="1", licence="Apache-2.0", uses=uses
        )

    def installed(self) -> bool:
        return self.here

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        self.looks += 1
        bright = float(study.frontal.display[0, 0])
        if bright > 0.99:
            raise ExpertError("The film is too bright.")
        if self.role is Role.DETECTOR:
            return (
                Detection(
                    id="E1",
                    expert="brightness",
                    version="1",
                    finding=Finding.NODULE,
                    probability=bright,
                    box=(40, 20, 60, 40),
                ),
            )
        return tuple(
            Classification(
                id=f"E{number}",
                expert="brightness",
                version="1",
                finding=Finding(name),
                probability=bright,
                threshold=0.48,
                sensitive_threshold=0.2,
                confident_threshold=0.8,
                plausible="either",
                coverage=0.9,
            )
            for number, name in enumerate(NIH_COLUMNS, start=1)
        )


def write_table(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """A CSV file with the keys of the first row as its header."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
