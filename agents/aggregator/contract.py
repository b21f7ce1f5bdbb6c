"""What a rewording back end is asked and promises."""

from __future__ import annotations

from typing import Protocol

from pydantic import Field

from findings.claims import Frozen
from findings.vocabulary import Language
from reporting.draft import ModelUse, Writer


class RewordingTask(Frozen):
    """One sentence to reword. It holds no words of the request, the patient or a prior report."""

    sentence: str
    """The phraser's sentence: it says exactly what may be said."""
    shape: str = "definite.none"
    """Certainty and kind of place of the first claim: `probable.region`, `definite.number`, …"""
    facts: tuple[str, ...] = ()
    """The claims of the sentence, each in plain words."""
    style: tuple[str, ...] = ()
    """Sentences of similar reports, as examples of wording; data, never instructions."""
    language: Language = Language.ENGLISH
    seed: int = 0
    tries: int = Field(default=0, ge=0)
    """How often the sentence was tried before."""
    rejected: str | None = None
    """What was written before and did not pass, where this is a second attempt."""
    complaint: str | None = None
    """In what way it did not pass."""


class Attempt(Frozen):
    """How far the rewording of one sentence has come."""

    sentence: str
    """The sentence's id."""
    tries: int = Field(default=0, ge=0)
    rejected: str | None = None
    complaint: str | None = None
    settled: bool = False
    """True once the model's text was accepted or given up."""


class RewordingBackend(Protocol):
    """A language model that rewords one sentence at a time."""

    @property
    def writer(self) -> Writer:
        """Which kind of back end this is."""
        ...

    @property
    def model(self) -> ModelUse:
        """The language model behind it."""
        ...

    @property
    def max_sentences(self) -> int:
        """How many sentences of one draft it is given; a fixed number keeps drafts repeatable."""
        ...

    @property
    def seconds(self) -> float:
        """Time that rewording one draft may take in all; what is not done by then stays as is."""
        ...

    def prepare(self) -> None:
        """Begin to load in the background; what goes wrong shows at the first sentence."""
        ...

    def reword(self, task: RewordingTask, seconds: float) -> str:
        """The sentence in other words, within that time. Raises `BackendError`."""
        ...
