"""Lesion labels by a language model beside those of the rule-based labeler, on tagged reports.

CLALA-Net, "Lesion labeling strategy", compares labels by a language model with CheXbert's. Here
both read Open-i reports of held-out patients, whose MeSH tags were set by people: each is held
against the tags, and the two against one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from agents.judging import Judge
from agents.label_extraction import (
    Lesion,
    LesionLabels,
    Status,
    extract_labels,
    labeler_labels,
    load_extraction_prompt,
)
from evaluation.picking import evenly
from evaluation.report_corpora import Example, Part, openi_examples, part_of
from findings.catalogue import is_a
from findings.claims import Frozen
from findings.errors import BackendError
from findings.vocabulary import Finding

if TYPE_CHECKING:
    from evaluation.experts.readings import Progress

_CORPUS: Final = "Open-i, held-out patients"


class LesionAgreement(Frozen):
    """One lesion over all reports: how many affirm it, by whom."""

    lesion: Lesion
    tagged: int
    labeler: int
    model: int
    both: int
    """Reports in which labeler and model affirm it."""
    labeler_f1: float | None
    """Against the tags; None where neither has it."""
    model_f1: float | None
    same_side: int
    """Of ``both``, those with the same location."""

    @property
    def agreement(self) -> float | None:
        """F1 of the two against one another."""
        return _f1(self.both, self.labeler, self.model)


class Extraction(Frozen):
    """The table."""

    judge: str
    prompt_version: str
    reports: int
    unanswered: int
    rows: tuple[LesionAgreement, ...]

    def markdown(self) -> list[str]:
        """A line for each lesion; the mean is over lesions that are tagged at least once."""
        lines = [
            f"{self.reports} reports ({_CORPUS}), labelled by {self.judge} (prompt "
            f"{self.prompt_version}); {self.unanswered} more without a usable answer. F1 against "
            "MeSH tags, which do not name everything that a report says.",
            "",
            "| lesion | tagged | labeler | model | labeler F1 | model F1 | F1 of the two "
            "| same side, of both |",
            "|---" * 8 + "|",
        ]
        lines += [
            f"| {row.lesion.value.replace('_', ' ')} | {row.tagged} | {row.labeler} "
            f"| {row.model} | {_shown(row.labeler_f1)} | {_shown(row.model_f1)} "
            f"| {_shown(row.agreement)} | {row.same_side} of {row.both} |"
            for row in self.rows
        ]
        tagged = [row for row in self.rows if row.tagged]
        means = (
            [row.labeler_f1 or 0.0 for row in tagged],
            [row.model_f1 or 0.0 for row in tagged],
            [row.agreement for row in self.rows if row.agreement is not None],
        )
        shown = " | ".join(_shown(float(np.mean(own)) if own else None) for own in means)
        lines.append(f"| mean | | | | {shown} | |")
        return lines


def evaluate_extraction(
    corpora: Path, judge: Judge, most: int = 0, progress: Progress | None = None
) -> Extraction:
    """Label ``most`` reports (0 is all), evenly picked, with the judge and with the labeler.

    ``corpora`` is the folder of the pulled report corpora.

    Raises:
        BackendError: no report at all could be labelled.
    """
    held_out = [e for e in openi_examples(corpora) if part_of(e.patient) is Part.HELD_OUT]
    examples = evenly(held_out, most)
    read: list[tuple[Example, LesionLabels]] = []
    last: BackendError | None = None
    for number, example in enumerate(examples):
        try:
            told = judge.told(example.text)
            found = extract_labels(told, judge.chat, example.language, judge.seconds)
            read.append((example, found.labels))
        except BackendError as error:
            last = error
        if progress is not None:
            progress("reports", number + 1, len(examples))
    if last is not None and not read:
        raise last
    return Extraction(
        judge=judge.name,
        prompt_version=load_extraction_prompt().version,
        reports=len(read),
        unanswered=len(examples) - len(read),
        rows=agreement(read),
    )


def agreement(read: Sequence[tuple[Example, LesionLabels]]) -> tuple[LesionAgreement, ...]:
    """Each lesion's line, from reports with the model's labels."""
    rules = [labeler_labels(example.text, example.language) for example, _ in read]
    rows = []
    for lesion in Lesion:
        finding = Finding(lesion.value)
        tags = [any(is_a(own, finding) for own in example.findings) for example, _ in read]
        said = [labels.status(lesion) is Status.POSITIVE for _, labels in read]
        ruled = [labels.status(lesion) is Status.POSITIVE for labels in rules]
        both = [place for place, (s, r) in enumerate(zip(said, ruled, strict=True)) if s and r]
        rows.append(
            LesionAgreement(
                lesion=lesion,
                tagged=sum(tags),
                labeler=sum(ruled),
                model=sum(said),
                both=len(both),
                labeler_f1=_f1(_hits(ruled, tags), sum(ruled), sum(tags)),
                model_f1=_f1(_hits(said, tags), sum(said), sum(tags)),
                same_side=sum(
                    read[place][1].location(lesion) is rules[place].location(lesion)
                    for place in both
                ),
            )
        )
    return tuple(rows)


def _hits(one: Sequence[bool], other: Sequence[bool]) -> int:
    return sum(a and b for a, b in zip(one, other, strict=True))


def _f1(hits: int, given: int, true: int) -> float | None:
    return 2 * hits / (given + true) if given + true else None


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
