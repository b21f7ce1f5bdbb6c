"""What the report models learn from: a radiograph, what is known of it, and a report.

Where a data set has reports (Open-i, PadChest, MIMIC-CXR) they are learnt, after the sentences
that no image carries are taken out. Elsewhere a report is composed for an image's labels, as the
crude-report generator's are (weak pairs): whatever is measured on those says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.claims import Claim
from findings.errors import StudyError
from findings.vocabulary import Finding, Language, Polarity
from models.crude_report.composing import ReportComposer
from models.crude_report.task import balanced_chances
from models.data.box_places import BoxPlacer
from models.data.files import cache_key
from models.data.records import Split
from models.data.weak_pair_sources import WeakRecord, read_weak_records
from models.data.weak_pairs import build_pool
from models.datasets.record import LabelState, RadiographRecord
from models.datasets.registry import open_dataset
from models.reports.guards import learnable
from models.reports.preset import CaseSettings
from models.reports.stratified import one_frontal_each, sampled, with_splits
from models.reports.wording import EnglishWording, SpanishWording, Wording
from models.segmenter.inference import AnatomySegmenter
from models.training.request import CACHE, TrainingRequest
from models.weights import pull

CORPORA: Final = "report-corpora"

_SECTION: Final = re.compile(r"(?im)^\s*([a-z ]{3,20}):")
_WANTED: Final = ("findings", "impression", "hallazgos", "conclusion", "conclusión")
_HIDDEN: Final = re.compile(r"X{3,}|_{3,}|\[\*\*")
_FEWEST_CHARACTERS: Final = 8
_SAMPLE_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class ReportCase:
    """One radiograph; ``text`` is its own report, blank where one is composed for ``claims``."""

    source: str
    image_id: str
    patient: str
    image: Path
    split: Split
    claims: tuple[Claim, ...]
    text: str = ""

    @property
    def findings(self) -> frozenset[Finding]:
        """What is affirmed, "no finding" left out."""
        affirmed = {claim.finding for claim in self.claims if claim.present}
        return frozenset(affirmed - {Finding.NO_FINDING})


class CaseSet:
    """Cases with their reports; ``training`` and ``validation`` are indices into ``cases``."""

    def __init__(
        self,
        cases: Sequence[ReportCase],
        wording: Wording | None,
        most_validation: int = 0,
        most_training: int = 0,
    ) -> None:
        """``wording`` composes the reports of cases that have none; 0 is: all there are.

        Raises:
            StudyError: there is nothing to train on, or nothing to validate on.
        """
        self.cases = tuple(cases)
        self._wording = wording
        self.training: NDArray[np.int64]
        self.training, validation = (
            np.flatnonzero([case.split is split for case in cases])
            for split in (Split.TRAIN, Split.VAL)
        )
        if not len(self.training) or not len(validation):
            raise StudyError(
                "the data folder holds no radiographs with labels or reports to train and to "
                "validate on"
            )
        if most_validation and len(validation) > most_validation:
            # Evenly over the list, so that sources and patients are all heard.
            places = np.linspace(0, len(validation) - 1, most_validation).round().astype(np.int64)
            validation = validation[places]
        self.validation: NDArray[np.int64] = validation
        if most_training and len(self.training) > most_training:
            chances = balanced_chances([self.cases[i].claims for i in self.training], 0.5)
            chosen = np.random.default_rng(_SAMPLE_SEED).choice(
                self.training, size=most_training, replace=False, p=chances
            )
            self.training = np.sort(chosen)

    def __len__(self) -> int:
        return len(self.cases)

    def report(self, index: int, random: np.random.Generator) -> str:
        """The case's report, or one composed for its claims, each time anew."""
        case = self.cases[index]
        if case.text or self._wording is None:
            return case.text
        return self._wording.report(case.claims, random)

    def reword(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """A report composed for other claims; blank where reports are not composed here."""
        return "" if self._wording is None else self._wording.report(claims, random)

    def chances(self, balance: float) -> NDArray[np.float64]:
        """How likely each training case is drawn; see `balanced_chances`."""
        return balanced_chances([self.cases[i].claims for i in self.training], balance)

    def paths(self) -> list[Path]:
        """The image files, case by case."""
        return [case.image for case in self.cases]

    def sha256(self) -> str:
        """What tells these cases and their splits from others."""
        return cache_key(*sorted(f"{c.source}/{c.image_id} {c.split}" for c in self.cases))


def read_cases(request: TrainingRequest, settings: CaseSettings) -> CaseSet:
    """The cases of a run, as its preset asks for them.

    Raises:
        StudyError: there is nothing to train on, or nothing to validate on.
        UserInputError: the folder is no data set with reports, where one is asked for.
        WeightsError: the report corpora, whose sentences weak reports are made of, are missing.
    """
    if settings.kind == "written":
        cases = written_cases(request.data, settings)
        return CaseSet(cases, None, settings.most_validation)
    placer = BoxPlacer(AnatomySegmenter.load(), request.out / CACHE)
    records = read_weak_records(request.data, placer, settings.folders)
    placer.save()
    wording: Wording = SpanishWording(settings.most_words)
    if settings.language is Language.ENGLISH:
        pool = build_pool(pull(CORPORA, request.cache, source=request.source), records)
        composer = ReportComposer(pool.sentences, settings.wordings, settings.most_words)
        wording = EnglishWording(composer)
    most = settings.most_cases
    return CaseSet(weak_cases(records), wording, settings.most_validation, most)


def weak_cases(records: Iterable[WeakRecord]) -> list[ReportCase]:
    """Cases without a report of their own."""
    return [
        ReportCase(r.source, r.image_id, r.patient, r.image, r.split, r.claims) for r in records
    ]


def written_cases(folder: Path, settings: CaseSettings) -> list[ReportCase]:
    """The studies of a data set that have a frontal image and a report in the asked language.

    Sampled and split as Radixpert does where the data set has no split of its own.
    """
    records = one_frontal_each(
        [
            record
            for record in open_dataset(folder).records()
            if record.report is not None and record.report.language is settings.language
        ]
    )
    made = [_written(record) for record in with_splits(sampled(records, settings.most_cases))]
    return [case for case in made if len(case.text) >= _FEWEST_CHARACTERS]


def _written(record: RadiographRecord) -> ReportCase:
    text = record.report.text if record.report is not None else ""
    return ReportCase(
        record.source,
        record.image_id,
        record.patient_key,
        record.image,
        record.split,
        record.claims or _labelled(record),
        learnable(_without_hidden(_read_sections(text))),
    )


def _labelled(record: RadiographRecord) -> tuple[Claim, ...]:
    """Labels without places, as claims."""
    polarity = {LabelState.PRESENT: Polarity.PRESENT, LabelState.ABSENT: Polarity.ABSENT}
    return tuple(
        Claim(finding=finding, polarity=polarity[state])
        for finding, state in record.labels.items()
        if state in polarity
    )


def _read_sections(text: str) -> str:
    """Findings and impression of a report that has sections; the whole of one that has none.

    PadChest parts its sentences by " . ".
    """
    parts = _SECTION.split(text)
    wanted = [
        body
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        if name.strip().lower() in _WANTED
    ]
    joined = " ".join(wanted) if wanted else text
    return f"{' '.join(joined.split()).rstrip(' .')}."


def _without_hidden(text: str) -> str:
    """The sentences without a word that was taken out for privacy."""
    return " ".join(part for part in re.split(r"(?<=[.!?])\s+", text) if not _HIDDEN.search(part))
