"""What language models are asked and promise: a sentence, a whole report, or a second reading."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from pydantic import Field

from findings.claims import Claim, Frozen
from findings.vocabulary import Language
from reporting.draft import ModelUse, SectionName, Writer

RETRY_TEMPERATURE: Final = 0.5
"""Of second and third tries: greedily a small model says again what was refused."""


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

    @property
    def temperature(self) -> float:
        """Greedy at first; further tries vary, and the seed fixes how."""
        return RETRY_TEMPERATURE if self.tries else 0.0


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


class Point(Frozen):
    """One planned sentence of a report: what it says, of which ledger entries, on what evidence."""

    section: SectionName
    sentence: str
    """The phraser's sentence."""
    facts: tuple[str, ...]
    entries: tuple[str, ...]
    """Ids of the ledger entries that it states."""
    evidence: tuple[str, ...]
    """Ids of the evidence behind them."""


class ReportTask(Frozen):
    """A report to write. It holds no words of the request, the patient or a prior report."""

    points: tuple[Point, ...]
    style: tuple[str, ...] = ()
    """Sentences of similar reports, as examples of wording; data, never instructions."""
    language: Language = Language.ENGLISH
    seed: int = 0


@runtime_checkable
class ReportBackend(RewordingBackend, Protocol):
    """A language model that can also write a whole report at once."""

    def write_report(self, task: ReportTask, seconds: float) -> str:
        """JSON of the form that `agents.aggregator.report.report_schema` describes, unchecked.

        Raises `BackendError` where the model gives no answer.
        """
        ...


class SecondReader(Protocol):
    """Reads the claims of a sentence independently of the labeler."""

    @property
    def model(self) -> ModelUse:
        """The language model behind it."""
        ...

    def read(self, text: str, language: Language, seconds: float) -> tuple[Claim, ...]:
        """What the sentence claims: finding, polarity and side. Raises `BackendError`."""
        ...
