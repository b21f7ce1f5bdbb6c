"""What the page may ask, call by call: the shapes that its requests are checked against."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.editing import PersonAct
from findings.vocabulary import Language
from reporting.exports import Format


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(_Shape):
    """A call that needs nothing."""


class OfStudy(_Shape):
    """A call about one study."""

    study: str = Field(max_length=32)


class SampleWanted(_Shape):
    """A synthetic sample, by name."""

    name: Literal["cardiomegaly", "effusion", "nodule", "opacity_and_line", "normal"]


class Given(_Shape):
    """Files that were uploaded; with `study`, a prior of that study."""

    path: str | None = Field(default=None, max_length=2_000)
    prior: str | None = Field(default=None, max_length=2_000)
    study: str | None = Field(default=None, max_length=32)


class FilmWanted(OfStudy):
    """One film of the study or of a prior, counted from the frontal one."""

    prior: str | None = Field(default=None, max_length=40)
    number: int = Field(default=0, ge=0, le=50)


class PriorChosen(OfStudy):
    """The prior to compare with."""

    prior: str = Field(max_length=40)


class DraftWanted(OfStudy):
    """How a draft is wanted."""

    language: Language = Language.ENGLISH
    indication: str = Field(default="", max_length=500)


class Since(OfStudy):
    """A look at the progress; `seen` events are known already."""

    seen: int = Field(default=0, ge=0)


class Heard(OfStudy):
    """A look at what a model is writing; `seen` changes of it are known already."""

    seen: int = Field(default=0, ge=0)


class Asked(OfStudy):
    """A question."""

    question: str = Field(min_length=1, max_length=2_000)


class Pointed(OfStudy):
    """A box drawn on the film, in display pixels: left, top, right, bottom."""

    box: tuple[float, float, float, float]


class ToReview(OfStudy):
    """A report to check."""

    report: str = Field(min_length=1, max_length=100_000)


class Edited(OfStudy):
    """What a person does to a sentence."""

    act: PersonAct


class Signed(OfStudy):
    """A name under the report."""

    signer: str = Field(min_length=1, max_length=200)


class Wanted(OfStudy):
    """A format to export."""

    format: Format
