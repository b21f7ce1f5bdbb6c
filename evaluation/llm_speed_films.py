"""The films that language models are timed on, and experts that answer from memory.

A report's length decides what is timed, so the films are given as many findings as a radiologist
states of an abnormal film: 3.0 affirming sentences in 100 held-out ledgers of real reports
(`evaluation.writing.cases`). A classifier that knows what was drawn says them; all other experts
are those of the settings, looking once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from findings.claims import Frozen
from findings.evidence import Classification, Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import Study
from tools.contract import Expert, ExpertCard, ExpertContext, Role

NAME: Final = "told"
_SURE: Final = 0.95
_LIKELY: Final = 0.7
_NOT: Final = 0.02


class Told(Frozen):
    """One finding that the classifier is told of."""

    finding: Finding
    probability: float = _SURE
    side: Side | None = None
    region: Region | None = None


class BenchFilm(Frozen):
    """A film to draw, and what the classifier says of it."""

    ratio: float
    """Its cardiothoracic ratio."""
    drawn: tuple[dict[str, Any], ...] = ()
    told: tuple[Told, ...] = ()


FILMS: Final = (
    BenchFilm(
        ratio=0.58,
        drawn=({"finding": "pleural_effusion", "side": "right", "extent": "moderate"},),
        told=(Told(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT),),
    ),
    BenchFilm(
        ratio=0.62,
        told=(
            Told(finding=Finding.NODULE, region=Region.LEFT_UPPER_ZONE, probability=_LIKELY),
            Told(finding=Finding.HERNIA),
        ),
    ),
    BenchFilm(
        ratio=0.48,
        drawn=(
            {"finding": "pleural_effusion", "side": "left", "extent": "moderate"},
            {"finding": "consolidation", "side": "right", "zone": "upper", "extent": "large"},
        ),
        told=(
            Told(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT),
            Told(finding=Finding.CONSOLIDATION, region=Region.RIGHT_UPPER_ZONE),
            Told(finding=Finding.EMPHYSEMA, probability=_LIKELY),
        ),
    ),
    BenchFilm(
        ratio=0.6,
        drawn=({"finding": "pleural_effusion", "side": "right", "extent": "small"},),
        told=(
            Told(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT, probability=_LIKELY),
            Told(finding=Finding.ATELECTASIS, region=Region.RIGHT_LOWER_ZONE),
            Told(finding=Finding.SCOLIOSIS),
        ),
    ),
)
"""With the heart: two, three, three and four sentences."""


class ToldClassifier:
    """Says of each film what it was told, and that the rest is absent."""

    def __init__(self, told: Mapping[str, tuple[Told, ...]]) -> None:
        """`told` by study key."""
        self._told = told
        self.card = ExpertCard(
            role=Role.CLASSIFIER, name=NAME, version="1", licence="Apache-2.0", seconds=0.0
        )

    def installed(self) -> bool:
        """Always: there are no weights."""
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """What it was told of this film."""
        from agents.reconciliation.fusion import default_fusion

        absent = [Told(finding=f, probability=_NOT) for f in default_fusion().no_finding.required]
        said = {one.finding: one for one in (*absent, *self._told[study.study_key])}
        said.pop(Finding.CARDIOMEGALY, None)  # the measurer's
        return tuple(
            Classification(
                id=f"E{number}",
                expert=NAME,
                version="1",
                finding=one.finding,
                probability=one.probability,
                side=one.side,
                region=one.region,
                threshold=0.5,
                sensitive_threshold=0.2,
                confident_threshold=0.8,
            )
            for number, one in enumerate(said.values(), start=1)
        )


class Remembered:
    """An expert that looks at a study once and answers from memory afterwards."""

    def __init__(self, expert: Expert) -> None:
        """Stands in for `expert`."""
        self.card = expert.card
        self._expert = expert
        self._seen: dict[str, tuple[Evidence, ...]] = {}
        self._lock = threading.Lock()

    def installed(self) -> bool:
        """As the expert itself."""
        return self._expert.installed()

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """What the expert saw the first time. Raises `ExpertError` as it does."""
        with self._lock:
            if study.study_key not in self._seen:
                self._seen[study.study_key] = self._expert.run(study, context)
            return self._seen[study.study_key]


def draw_films(folder: Path) -> tuple[Path, ...]:
    """Draw the films into `folder`."""
    from imaging.synthetic import SampleRequest, generate, write_dicom

    files = []
    for seed, film in enumerate(FILMS):
        request = SampleRequest.model_validate(
            {"seed": seed, "cardiothoracic_ratio": film.ratio, "findings": list(film.drawn)}
        )
        files.append(folder / f"film{seed}.dcm")
        write_dicom(generate(request), files[-1])
    return tuple(files)


def told_classifier(files: tuple[Path, ...]) -> ToldClassifier:
    """The classifier of drawn films."""
    from imaging.loading import load_study

    keys = [load_study(file).study_key for file in files]
    return ToldClassifier({key: film.told for key, film in zip(keys, FILMS, strict=True)})
