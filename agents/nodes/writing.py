"""Write and verify: the phraser writes, a language model may reword, the reader has the last word.

The manuscript always holds text that may stand: the phraser's sentence, until the model's own
rewording of it has been read back without a difference. A rewording that fails is tried once more
with its difference named; one that fails `max_repairs` times is given up for the phraser's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from agents.aggregator.contract import Attempt, RewordingBackend
from agents.aggregator.form import ill_formed
from agents.aggregator.tasks import complaint, reword_task, worth_rewording
from agents.nodes.reported import Run, note, reported, show_sentence
from agents.reporting_context import report_context
from agents.state import DraftState, Manuscript
from findings.errors import BackendError
from findings.evidence import Neighbour
from reporting.context import ReportContext
from reporting.draft import ModelUse, Origin, Section, SectionName, Sentence, Writer
from reporting.ledger import Ledger

_LOG = logging.getLogger("readingroom.writing")


@dataclass
class _Desk:
    """What one pass of writing works with."""

    state: DraftState
    runtime: Run
    context: ReportContext
    backends: list[RewordingBackend]
    style: tuple[Neighbour, ...]
    warnings: list[str] = field(default_factory=list)
    asked: dict[str, ModelUse] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.state["ledger"]

    @property
    def seconds_left(self) -> float:
        """Time that the first back end still has for this draft."""
        session = self.runtime.context
        if session.writing_until is None:
            session.writing_until = perf_counter() + self.backends[0].seconds
        return session.writing_until - perf_counter()

    def fault(self, sentence: Sentence, original: str) -> str | None:
        """What is wrong with a rewording, in words; `None` where nothing is."""
        form = ill_formed(sentence.text, original, self.context.language)
        if form is not None:
            return form
        reporter = self.runtime.context.services.reporter
        check = reporter.check(sentence, self.ledger, self.context)
        if not check.supported:
            return "It states what no evidence carries."
        return complaint(check.differences) if check.differences else None


def _desk(state: DraftState, runtime: Run) -> _Desk:
    session = runtime.context
    context = report_context(state, session.study(state["study"]))
    backends = [
        backend
        for backend in session.services.backends
        if state["request"].aggregator is not Writer.PHRASER
        and backend.writer not in session.lost_backends
    ]
    return _Desk(
        state=state,
        runtime=runtime,
        context=context,
        backends=backends,
        style=tuple(i for i in state["evidence"].items if isinstance(i, Neighbour)),
    )


@reported("write")
def write(state: DraftState, runtime: Run) -> DraftState:
    """Phrase the ledger, or go over the sentences whose rewording did not pass."""
    desk = _desk(state, runtime)
    manuscript = state.get("manuscript") or _begin(desk)
    first = "manuscript" not in state
    tried = {attempt.sentence: attempt for attempt in manuscript.attempts}
    written = manuscript.writer
    repairs = manuscript.counts.repairs
    sections = []
    for section in manuscript.sections:
        sentences = []
        for sentence in section.sentences:
            attempt = tried.get(sentence.id)
            if attempt is None or attempt.settled:
                if first:
                    show_sentence(runtime, "write", section.name, sentence.text)
                sentences.append(sentence)
                continue
            outcome, attempt = _reword(desk, sentence, attempt)
            tried[sentence.id] = attempt
            if outcome is not sentence:
                written = desk.backends[0].writer
                repairs += attempt.tries > 1
            if attempt.settled:
                show_sentence(runtime, "write", section.name, outcome.text)
            sentences.append(outcome)
        sections.append(Section(name=section.name, sentences=tuple(sentences)))
    return {
        "manuscript": Manuscript(
            sections=tuple(sections),
            attempts=tuple(tried.values()),
            writer=written,
            models=tuple({m.name: m for m in (*manuscript.models, *desk.asked.values())}.values()),
            counts=manuscript.counts.model_copy(update={"repairs": repairs}),
        ),
        "warnings": desk.warnings,
    }


def _begin(desk: _Desk) -> Manuscript:
    """The phraser's report, and which of its sentences the model is given."""
    services = desk.runtime.context.services
    sections = tuple(
        section
        for section in services.reporter.compose(desk.ledger, desk.context)
        if section.name is not SectionName.INDICATION
    )
    if not desk.backends:
        return Manuscript(sections=sections)
    chosen = [
        sentence.id
        for section in sections
        for sentence in section.sentences
        if worth_rewording(section, sentence)
    ][: desk.backends[0].max_sentences]
    return Manuscript(
        sections=sections, attempts=tuple(Attempt(sentence=chosen_id) for chosen_id in chosen)
    )


def _reword(desk: _Desk, sentence: Sentence, attempt: Attempt) -> tuple[Sentence, Attempt]:
    """The model's sentence where it passes, else the one given; and how the attempt stands."""
    text = _ask(desk, sentence, attempt)
    if text is None:
        return sentence, attempt.model_copy(update={"settled": True})
    tries = attempt.tries + 1
    candidate = sentence.model_copy(update={"text": text, "origin": Origin.MODEL})
    wrong = desk.fault(candidate, sentence.text)
    if wrong is None:
        return candidate, Attempt(sentence=sentence.id, tries=tries, settled=True)
    return sentence, Attempt(sentence=sentence.id, tries=tries, rejected=text, complaint=wrong)


def _ask(desk: _Desk, sentence: Sentence, attempt: Attempt) -> str | None:
    """The first back end's answer; one that fails is left out from then on. `None`: no answer."""
    while desk.backends:
        left = desk.seconds_left
        if left <= 0:
            return None
        backend = desk.backends[0]
        try:
            text = backend.reword(
                reword_task(sentence, attempt, desk.style, desk.state["request"]), left
            )
            desk.asked[backend.model.name] = backend.model
            return text
        except BackendError as error:
            desk.backends.remove(backend)
            desk.runtime.context.lost_backends.add(backend.writer)
            rest = desk.backends[0].writer.value if desk.backends else Writer.PHRASER.value
            remark = f"The {backend.writer.value} writer was left out: {error} ({rest} wrote on.)"
            desk.warnings.append(remark)
            note(desk.runtime, "write", remark)
            desk.runtime.context.writing_until = None
    return None


@reported("verify")
def verify(state: DraftState, runtime: Run) -> DraftState:
    """Read the whole report back; give up rewordings that have failed often enough."""
    desk = _desk(state, runtime)
    session, manuscript = runtime.context, state["manuscript"]
    limit = session.settings.llm.max_repairs
    attempts, fallbacks = [], manuscript.counts.fallbacks
    sections = list(manuscript.sections)
    for attempt in manuscript.attempts:
        if attempt.settled or attempt.tries < limit:
            attempts.append(attempt)
            continue
        attempts.append(attempt.model_copy(update={"settled": True}))
        if attempt.rejected is not None:
            fallbacks += 1
            sections = _fallen_back(sections, attempt.sentence)
    for section, sentence in _newly_settled(sections, manuscript.attempts, attempts):
        show_sentence(runtime, "verify", section.name, sentence.text)
    result = session.services.reporter.verify(sections, desk.ledger, desk.context)
    unsupported = len(set(result.unsupported) | set(result.faulty))
    warnings = []
    if unsupported or result.missing:
        warnings.append(
            f"Reading the report back left {unsupported} sentence(s) unconfirmed and "
            f"{len(result.missing)} finding(s) unstated; it stays an unverified draft."
        )
    pending = any(not attempt.settled for attempt in attempts)
    return {
        "manuscript": manuscript.model_copy(
            update={
                "sections": tuple(sections),
                "attempts": tuple(attempts),
                "counts": manuscript.counts.model_copy(
                    update={"fallbacks": fallbacks, "unsupported": unsupported}
                ),
            }
        ),
        "warnings": [] if pending else warnings,
    }


def unsettled(state: DraftState) -> bool:
    """Whether a rewording is still to be tried again."""
    return any(not attempt.settled for attempt in state["manuscript"].attempts)


def _fallen_back(sections: Sequence[Section], sentence_id: str) -> list[Section]:
    return _replace(
        sections, sentence_id, lambda s: s.model_copy(update={"origin": Origin.FALLBACK})
    )


def _replace(
    sections: Sequence[Section], sentence_id: str, change: Callable[[Sentence], Sentence]
) -> list[Section]:
    return [
        section.model_copy(
            update={
                "sentences": tuple(
                    change(sentence) if sentence.id == sentence_id else sentence
                    for sentence in section.sentences
                )
            }
        )
        for section in sections
    ]


def _newly_settled(
    sections: Sequence[Section], before: Sequence[Attempt], after: Sequence[Attempt]
) -> list[tuple[Section, Sentence]]:
    """Sentences whose rewording has just been given up, in reading order."""
    open_before = {attempt.sentence for attempt in before if not attempt.settled}
    settled = {attempt.sentence for attempt in after if attempt.settled} & open_before
    return [(sec, s) for sec in sections for s in sec.sentences if s.id in settled]
