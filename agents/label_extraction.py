"""Lesion labels of a report by a language model, checked against the rule-based labeler.

CLALA-Net, "Lesion labeling strategy": for each of fourteen lesions the status (positive or
negative) and the location (left, right, bilateral, or not mentioned) as JSON; a lesion that is not
mentioned is negative, a place that is not given is "not mentioned". The paper's prompt (its
appendix A2) lists the lesions with example expressions and asks for reasons step by step before
the labels; it is not printed, so the prompt here is written to that description.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

from pydantic import Field, model_validator

from agents.packaged import read_prompt
from agents.structured_answers import ANSWER_SECONDS, ask_for
from findings.catalogue import is_a
from findings.claims import Claim, Frozen
from findings.labeler import label_report
from findings.vocabulary import Certainty, Finding, Language, Polarity, Side

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

PROMPT: Final = "label_extraction.toml"
_MOST_REPORT: Final = 8_000


class Lesion(StrEnum):
    """The paper's fourteen lesions, by the canonical names of their findings."""

    CARDIOMEGALY = "cardiomegaly"
    EMPHYSEMA = "emphysema"
    PLEURAL_EFFUSION = "pleural_effusion"
    HERNIA = "hernia"
    NODULE = "nodule"
    PNEUMOTHORAX = "pneumothorax"
    ATELECTASIS = "atelectasis"
    PLEURAL_THICKENING = "pleural_thickening"
    MASS = "mass"
    EDEMA = "edema"
    CONSOLIDATION = "consolidation"
    INFILTRATION = "infiltration"
    FIBROSIS = "fibrosis"
    PNEUMONIA = "pneumonia"


class Status(StrEnum):
    """Whether the report affirms the lesion; what it does not mention is negative."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class Location(StrEnum):
    """The patient's side that the report names."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    NOT_MENTIONED = "not mentioned"


class LesionLabel(Frozen):
    """One lesion's label; the reason comes first, so that the model thinks before it decides."""

    lesion: Lesion
    reason: str = Field(max_length=300)
    status: Status
    location: Location


class LesionLabels(Frozen):
    """A report's labels; each lesion at most once, those left out are negative."""

    labels: tuple[LesionLabel, ...] = Field(max_length=len(Lesion))

    @model_validator(mode="after")
    def _each_lesion_once(self) -> LesionLabels:
        if len({label.lesion for label in self.labels}) != len(self.labels):
            raise ValueError("a lesion is labelled twice")
        return self

    def status(self, lesion: Lesion) -> Status:
        """The lesion's status; unmentioned is negative."""
        found = (label.status for label in self.labels if label.lesion is lesion)
        return next(found, Status.NEGATIVE)

    def location(self, lesion: Lesion) -> Location:
        """Where the lesion is; unmentioned unless it is positive and placed."""
        for label in self.labels:
            if label.lesion is lesion and label.status is Status.POSITIVE:
                return label.location
        return Location.NOT_MENTIONED

    def claims(self) -> tuple[Claim, ...]:
        """The labels as claims: every lesion, affirmed with its side or denied."""
        return tuple(
            Claim(
                finding=Finding(lesion.value),
                polarity=Polarity.PRESENT if positive else Polarity.ABSENT,
                side=_SIDES.get(self.location(lesion)) if positive else None,
            )
            for lesion in Lesion
            for positive in [self.status(lesion) is Status.POSITIVE]
        )


class Disagreement(Frozen):
    """Where the language model and the labeler read a lesion differently."""

    lesion: Lesion
    model: str
    labeler: str


class CheckedLabels(Frozen):
    """A report's labels with where the rule-based labeler reads otherwise.

    ``settled`` takes the model's status only where the labeler agrees or reads nothing of the
    lesion; where both read it and differ, the labeler's stands, since it can be traced to words.
    """

    labels: LesionLabels
    disagreements: tuple[Disagreement, ...]
    settled: LesionLabels


class ExtractionPrompt(Frozen):
    """The prompt file."""

    version: str
    system: str
    expressions: dict[Lesion, dict[Status, tuple[str, ...]]]
    max_tokens: int = Field(ge=1)

    def messages(self, report: str) -> list[BaseMessage]:
        """The conversation that asks for one report's labels."""
        from langchain_core.messages import HumanMessage, SystemMessage

        lesions = {
            lesion.value: {status.value: list(said) for status, said in own.items()}
            for lesion, own in self.expressions.items()
        }
        data = {"lesions": lesions, "report": report[:_MOST_REPORT]}
        return [SystemMessage(self.system), HumanMessage(json.dumps(data, ensure_ascii=False))]


_SIDES: Final = {
    Location.LEFT: Side.LEFT,
    Location.RIGHT: Side.RIGHT,
    Location.BILATERAL: Side.BILATERAL,
}


@cache
def load_extraction_prompt() -> ExtractionPrompt:
    """The prompt in `agents/prompts`. Raises `SettingsError` where it is damaged."""
    return read_prompt(PROMPT, ExtractionPrompt)


def extract_labels(
    report: str,
    chat: BaseChatModel,
    language: Language = Language.ENGLISH,
    seconds: float = ANSWER_SECONDS,
) -> CheckedLabels:
    """Ask a chat model for a report's labels and check them against the labeler.

    ``seconds`` is the time that the answer may take.

    Raises:
        BackendError: the model gave no answer, or one of another form.
    """
    prompt = load_extraction_prompt()
    found = ask_for(
        chat,
        prompt.messages(report),
        LesionLabels,
        max_tokens=prompt.max_tokens,
        seconds=seconds,
    )
    return check_labels(found, report, language)


def labeler_labels(report: str, language: Language = Language.ENGLISH) -> LesionLabels:
    """The labeler's reading in the same form: only lesions that it reads are labelled.

    A lesion that is affirmed anywhere is positive; what is only possible counts as positive, as in
    CLALA-Net's cautious reading. The denial of a kind denies what is of that kind.
    """
    claims = label_report(report, language)
    labels = []
    for lesion in Lesion:
        finding = Finding(lesion.value)
        present = [c for c in claims if c.present and is_a(c.finding, finding)]
        denied = [c for c in claims if not c.present and is_a(finding, c.finding)]
        if present:
            sure = any(claim.certainty is Certainty.DEFINITE for claim in present)
            labels.append(
                LesionLabel(
                    lesion=lesion,
                    reason="stated" if sure else "stated with doubt",
                    status=Status.POSITIVE,
                    location=_location(present),
                )
            )
        elif denied:
            labels.append(
                LesionLabel(
                    lesion=lesion,
                    reason="denied",
                    status=Status.NEGATIVE,
                    location=Location.NOT_MENTIONED,
                )
            )
    return LesionLabels(labels=tuple(labels))


def check_labels(
    labels: LesionLabels, report: str, language: Language = Language.ENGLISH
) -> CheckedLabels:
    """Set a model's labels beside the labeler's."""
    rules = labeler_labels(report, language)
    read = {label.lesion: label for label in rules.labels}
    disagreements: list[Disagreement] = []
    settled: list[LesionLabel] = []
    given = {label.lesion: label for label in labels.labels}
    for lesion in Lesion:
        own, other = given.get(lesion), read.get(lesion)
        if other is None:
            if own is not None:
                settled.append(own)
            continue
        said = labels.status(lesion), labels.location(lesion)
        ruled = rules.status(lesion), rules.location(lesion)
        if said == ruled and own is not None:
            settled.append(own)
            continue
        settled.append(other)
        if said != ruled:
            disagreements.append(
                Disagreement(lesion=lesion, model=", ".join(said), labeler=", ".join(ruled))
            )
    return CheckedLabels(
        labels=labels,
        disagreements=tuple(disagreements),
        settled=LesionLabels(labels=tuple(settled)),
    )


def _location(claims: Iterable[Claim]) -> Location:
    sides = {claim.side for claim in claims if claim.side in _SIDES.values()}
    if not sides:
        return Location.NOT_MENTIONED
    if sides == {Side.LEFT}:
        return Location.LEFT
    return Location.RIGHT if sides == {Side.RIGHT} else Location.BILATERAL
