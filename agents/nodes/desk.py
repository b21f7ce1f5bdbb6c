"""The writing desk: what one pass of writing works with, and who judges a model's sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

from agents.aggregator.contract import RewordingBackend
from agents.aggregator.form import ill_formed
from agents.aggregator.tasks import complaint
from agents.nodes.reported import Run, note
from agents.reporting_context import report_context
from agents.state import DraftState
from findings.errors import BackendError
from findings.evidence import Neighbour
from reporting.context import ReportContext
from reporting.draft import Counts, ModelUse, Sentence, Writer
from reporting.ledger import Ledger
from reporting.read_back import Difference, DifferenceType, differences

_GRAVE = frozenset(
    {
        DifferenceType.ADDED,
        DifferenceType.DROPPED,
        DifferenceType.FLIPPED,
        DifferenceType.SIDE,
    }
)
"""Differences that a second reader is heard on; it is not asked for more."""

_SECOND_READING_SECONDS = 10.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Fault:
    """Why a text may not stand: in words for its writer, and as types for the figures."""

    words: str
    types: frozenset[DifferenceType] = frozenset()
    """None where the text is no plain sentence."""

    @classmethod
    def of(cls, found: tuple[Difference, ...]) -> Fault:
        """The fault of a text that departs from its claims."""
        return cls(complaint(found), frozenset(difference.type for difference in found))


@dataclass
class Desk:
    """What one pass of writing works with."""

    state: DraftState
    runtime: Run
    context: ReportContext
    backends: list[RewordingBackend]
    style: tuple[Neighbour, ...]
    counts: Counts = field(default_factory=Counts)
    warnings: list[str] = field(default_factory=list)
    asked: dict[str, ModelUse] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """What may be written."""
        return self.state["ledger"]

    @property
    def seconds_left(self) -> float:
        """Time that the first back end still has for this draft."""
        session = self.runtime.context
        if session.writing_until is None:
            session.writing_until = perf_counter() + self.backends[0].seconds
        return session.writing_until - perf_counter()

    def ask(
        self,
        question: Callable[[RewordingBackend, float], Answer],
        only: RewordingBackend | None = None,
    ) -> Answer | None:
        """The first back end's answer; one that fails is left out from then on. `None`: none.

        `only`: no other back end is asked where this one fails.
        """
        while self.backends and only in (None, self.backends[0]):
            left = self.seconds_left
            if left <= 0:
                return None
            backend = self.backends[0]
            try:
                answer = question(backend, left)
                self.asked[backend.model.name] = backend.model
                return answer
            except BackendError as error:
                self._lose(backend, error)
        return None

    def _lose(self, backend: RewordingBackend, error: BackendError) -> None:
        self.backends.remove(backend)
        self.runtime.context.lost_backends.add(backend.writer)
        rest = self.backends[0].writer.value if self.backends else Writer.PHRASER.value
        remark = f"The {backend.writer.value} writer was left out: {error} ({rest} wrote on.)"
        self.warnings.append(remark)
        note(self.runtime, "write", remark)
        self.runtime.context.writing_until = None

    def passes(self, sentence: Sentence) -> bool:
        """Whether the reader finds in a sentence what its claims say, and evidence for it."""
        reporter = self.runtime.context.services.reporter
        check = reporter.check(sentence, self.ledger, self.context)
        return check.supported and not check.differences

    def fault(self, sentence: Sentence, original: str) -> Fault | None:
        """What is wrong with a model's sentence; `None` where nothing is. Counts what it finds."""
        found = self._fault(sentence, original)
        if found is not None:
            self.counts = self.counts.plus(found.types)
        return found

    def _fault(self, sentence: Sentence, original: str) -> Fault | None:
        form = ill_formed(sentence.text, original, self.context.language)
        if form is not None:
            return Fault(form)
        reporter = self.runtime.context.services.reporter
        check = reporter.check(sentence, self.ledger, self.context)
        if not check.supported:
            return Fault("It states what no evidence carries.", frozenset({DifferenceType.ADDED}))
        found = check.differences or self._second_reading(sentence)
        return Fault.of(found) if found else None

    def _second_reading(self, sentence: Sentence) -> tuple[Difference, ...]:
        """What a second reader objects to in a sentence that the labeler passed."""
        session = self.runtime.context
        reader = session.services.second_reader
        if reader is None or session.second_reader_lost:
            return ()
        try:
            read = reader.read(sentence.text, self.context.language, _SECOND_READING_SECONDS)
        except BackendError as error:
            session.second_reader_lost = True
            self.warnings.append(f"The second reader was left out: {error}")
            return ()
        self.asked[reader.model.name] = reader.model
        return tuple(d for d in differences(sentence.claims, read) if d.type in _GRAVE)


def desk(state: DraftState, runtime: Run) -> Desk:
    """The desk for one pass over a draft."""
    session = runtime.context
    context = report_context(state, session.study(state["study"]))
    backends = [
        backend
        for backend in session.services.backends
        if state["request"].aggregator is not Writer.PHRASER
        and backend.writer not in session.lost_backends
    ]
    manuscript = state.get("manuscript")
    return Desk(
        state=state,
        runtime=runtime,
        context=context,
        backends=backends,
        style=tuple(i for i in state["evidence"].items if isinstance(i, Neighbour)),
        counts=manuscript.counts if manuscript else Counts(),
    )
