"""The radiographs that report writers are compared on, with their reference reports.

A data set with reports (MIMIC-CXR, Open-i, PadChest) gives true pairs: findings section, or the
impression where there is none. A folder laid out as the project's data has labels alone, so that
references are composed for the labels (weak pairs) and figures do not compare with the papers'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.picking import evenly
from evaluation.reports.pairs import ReferenceReport
from findings.errors import StudyError
from findings.evidence import Box
from findings.regions import Region
from findings.vocabulary import Language, Side
from models.crude_report.composing import NORMAL, ReportComposer
from models.data.box_places import BoxPlacer
from models.data.records import Split
from models.data.weak_pair_sources import FOURTEEN, nih_records
from models.data.weak_pairs import build_pool
from models.datasets.record import RadiographRecord
from models.datasets.registry import open_dataset
from models.reports.stratified import one_frontal_each, with_splits
from models.reports.wording import EnglishWording
from models.segmenter.inference import AnatomySegmenter
from models.weights import locate
from reporting.draft import SectionName
from reporting.existing_report import read_report

CORPORA = "report-corpora"
_WORDINGS, _MOST_WORDS = 1, 60
_HEADING = re.compile(r"(?m)^[ \t]*[A-Z][A-Za-z ]{2,30}:")
_PLAIN = {
    Language.ENGLISH: "The heart is normal in size. The lungs are clear. There is no pleural "
    "effusion or pneumothorax.",
    Language.SPANISH: "Silueta cardiaca de tamaño normal. Sin infiltrados pulmonares. Sin derrame "
    "pleural ni neumotórax.",
}


@dataclass(frozen=True)
class ComparedCase:
    """One radiograph and its reference."""

    image: Path
    reference: ReferenceReport


@dataclass(frozen=True)
class CaseSplit:
    """What is compared on, and what may be looked things up in."""

    dataset: str
    """Name of the data set's reader; `nih` of the project's own folder."""
    weak: bool
    language: Language
    compared: tuple[ComparedCase, ...]
    films: tuple[Path, ...]
    """Every film of the set, in reading order, so that caches of what a trunk sees are shared."""
    reports: tuple[str, ...]
    """Of the training films; blank for the others, which nobody may look up."""
    normal: str
    """The report that every film gets from the constant writer."""

    def first(self, most: int) -> CaseSplit:
        """At most so many of the compared ones, evenly over them; 0 is all."""
        return replace(self, compared=evenly(self.compared, most))


def read_split(data: Path, cache: Path, every: bool = False, seen: Path | None = None) -> CaseSplit:
    """The validation (or, where there is one, test) part of a folder; ``every``: all of it.

    ``cache`` is where the report corpora were pulled to, which weak references are worded from;
    ``seen`` a folder that keeps where boxes lie.

    Raises:
        StudyError: there is nothing to compare on.
        UserInputError: the folder is no data set that is known.
        WeightsError: the report corpora are missing.
    """
    weak = (data / "nih" / "labels.csv").is_file()
    found = _weak(data, cache, every, seen) if weak else _written(data, every)
    if not found.compared:
        raise StudyError(
            "The folder holds no radiograph with labels or a report to compare on; --split all "
            "takes every part of it."
        )
    return found


def _weak(data: Path, cache: Path, every: bool, seen: Path | None) -> CaseSplit:
    plain = list(nih_records(data, None))
    wanted = {record.image for record in plain if every or record.split is Split.VAL}
    placer = BoxPlacer(AnatomySegmenter.load(), seen)
    records = [r for r in nih_records(data, _Only(placer, wanted)) if r.image.is_file()]
    placer.save()
    pool = build_pool(locate(CORPORA, cache), records)
    wording = EnglishWording(ReportComposer(pool.sentences, _WORDINGS, _MOST_WORDS))
    random = np.random.default_rng(0)
    texts = [wording.report(record.claims, random) for record in records]
    judged = frozenset(FOURTEEN)
    return CaseSplit(
        dataset="nih",
        weak=True,
        language=Language.ENGLISH,
        compared=tuple(
            ComparedCase(own.image, ReferenceReport(own.patient, text, own.claims, judged))
            for own, text in zip(records, texts, strict=True)
            if own.image in wanted
        ),
        films=tuple(record.image for record in records),
        reports=tuple(
            text if own.split is Split.TRAIN else ""
            for own, text in zip(records, texts, strict=True)
        ),
        normal=wording.report(NORMAL, random),
    )


class _Only:
    """Places the boxes of wanted images; those of others, which nobody reads, nowhere."""

    def __init__(self, placer: BoxPlacer, images: set[Path]) -> None:
        self._placer = placer
        self._images = images

    def place(self, image: Path, box: Box) -> tuple[Side | None, Region | None]:
        """See `BoxPlacer.place`."""
        return self._placer.place(image, box) if image in self._images else (None, None)


def _written(data: Path, every: bool) -> CaseSplit:
    dataset = open_dataset(data)
    frontal = one_frontal_each([record for record in dataset.records() if record.report])
    records = frontal if every else with_splits(frontal)
    languages = [record.report.language for record in records if record.report]
    language = max(set(languages), key=languages.count) if languages else Language.ENGLISH
    parts = {record.split for record in records}
    asked = Split.TEST if Split.TEST in parts else Split.VAL
    own = [record for record in records if record.report and record.report.language is language]
    training = _cases([r for r in own if r.split is Split.TRAIN], language)
    return CaseSplit(
        dataset=dataset.card.name,
        weak=False,
        language=language,
        compared=_cases([r for r in own if every or r.split is asked], language),
        films=tuple(case.image for case in training),
        reports=tuple(case.reference.text for case in training),
        normal=_PLAIN[language],
    )


def _cases(records: Sequence[RadiographRecord], language: Language) -> tuple[ComparedCase, ...]:
    return tuple(
        ComparedCase(r.image, ReferenceReport.written(r.patient_key, text, language))
        for r in records
        if (text := reported(r.report.text if r.report else "", language))
    )


def reported(text: str, language: Language) -> str:
    """A report's findings section, its impression where it has none; blank without either."""
    # What stands before the first heading ("FINAL REPORT") is no finding.
    first = _HEADING.search(text)
    body = text if first is None else text[first.start() :]
    if not body.strip():
        return ""
    sentences = read_report(body, language).sentences
    for wanted in (SectionName.FINDINGS, SectionName.IMPRESSION):
        if own := [sentence.text for sentence in sentences if sentence.section is wanted]:
            return " ".join(f"{text.rstrip(' .')}." for text in own)
    return ""
