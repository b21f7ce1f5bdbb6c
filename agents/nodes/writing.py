"""Write and verify: the phraser writes, a language model may reword, the reader has the last word.

The manuscript always holds text that may stand: the phraser's sentence, until the model's own
sentence has been read back without a difference. A sentence that fails is tried again with its
difference named, `max_repairs` times at most; then it is given up for the phraser's.

A capable model may write the whole report at first (`agents.nodes.whole_report`); what fails of it
is mended sentence by sentence like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agents.aggregator.contract import Attempt, ReportBackend
from agents.aggregator.tasks import reword_task, worth_rewording
from agents.nodes.desk import Desk, desk
from agents.nodes.reported import Run, reported, show_pending, show_sentence
from agents.nodes.whole_report import write_whole
from agents.state import DraftState, Manuscript
from reporting.draft import Origin, Section, SectionName, Sentence, Writer


@reported("write")
def write(state: DraftState, runtime: Run) -> DraftState:
    """Phrase the ledger, or go over the sentences that did not pass."""
    at = desk(state, runtime)
    first = "manuscript" not in state
    manuscript = state.get("manuscript") or _begin(at)
    begun = {attempt.sentence: attempt for attempt in manuscript.attempts}
    if first:
        _show_all(at, manuscript, begun)
    tried = dict(begun)
    written, repairs = manuscript.writer, 0
    sections = []
    for section in manuscript.sections:
        sentences = []
        for sentence in section.sentences:
            attempt = begun.get(sentence.id)
            if attempt is None or attempt.settled:
                sentences.append(sentence)
                continue
            outcome, attempt = _reword(at, sentence, attempt)
            tried[sentence.id] = attempt
            if outcome is not sentence:
                written = at.backends[0].writer
                repairs += attempt.tries > 1
            if attempt.settled:
                show_sentence(runtime, "write", section.name, outcome)
            sentences.append(outcome)
        sections.append(Section(name=section.name, sentences=tuple(sentences)))
    return {
        "manuscript": Manuscript(
            sections=tuple(sections),
            attempts=tuple(tried.values()),
            writer=written,
            models=tuple({m.name: m for m in (*manuscript.models, *at.asked.values())}.values()),
            counts=at.counts.model_copy(update={"repairs": at.counts.repairs + repairs}),
        ),
        "warnings": at.warnings,
    }


def _show_all(at: Desk, manuscript: Manuscript, begun: Mapping[str, Attempt]) -> None:
    """Stream the report as it is begun: what stands as such, what may still change as pending."""
    for section in manuscript.sections:
        for sentence in section.sentences:
            attempt = begun.get(sentence.id)
            settled = attempt is None or attempt.settled
            show = show_sentence if settled and at.passes(sentence) else show_pending
            show(at.runtime, "write", section.name, sentence)


def _begin(at: Desk) -> Manuscript:
    """The phraser's report, what a model wrote of it at once, and what a model is still given."""
    session = at.runtime.context
    planned = [
        section
        for section in session.services.reporter.compose(at.ledger, at.context)
        if section.name is not SectionName.INDICATION
    ]
    served = at.backends[0] if at.backends else None
    if session.settings.llm.form == "report" and isinstance(served, ReportBackend):
        sections, attempts = write_whole(at, planned, served)
        if served in at.backends:
            stands = any(s.origin is Origin.MODEL for one in sections for s in one.sentences)
            return Manuscript(
                sections=tuple(sections),
                attempts=tuple(attempts),
                writer=served.writer if stands else Writer.PHRASER,
            )
    if not at.backends:
        return Manuscript(sections=tuple(planned))
    chosen = [
        sentence.id
        for section in planned
        for sentence in section.sentences
        if worth_rewording(section, sentence)
    ][: at.backends[0].max_sentences]
    return Manuscript(
        sections=tuple(planned), attempts=tuple(Attempt(sentence=chosen_id) for chosen_id in chosen)
    )


def _reword(at: Desk, sentence: Sentence, attempt: Attempt) -> tuple[Sentence, Attempt]:
    """The model's sentence where it passes, else the one given; and how the attempt stands."""
    task = reword_task(sentence, attempt, at.style, at.state["request"])
    text = at.ask(lambda backend, left: backend.reword(task, left))
    if text is None:
        return sentence, attempt.model_copy(update={"settled": True})
    tries = attempt.tries + 1
    candidate = sentence.model_copy(update={"text": text, "origin": Origin.MODEL})
    wrong = at.fault(candidate, sentence.text)
    if wrong is None:
        return candidate, Attempt(sentence=sentence.id, tries=tries, settled=True)
    return sentence, Attempt(
        sentence=sentence.id, tries=tries, rejected=text, complaint=wrong.words
    )


@reported("verify")
def verify(state: DraftState, runtime: Run) -> DraftState:
    """Read the whole report back; give up sentences that have failed often enough."""
    at = desk(state, runtime)
    session, manuscript = runtime.context, state["manuscript"]
    limit = session.settings.llm.max_repairs
    attempts, fallbacks = [], manuscript.counts.fallbacks
    sections = list(manuscript.sections)
    for attempt in manuscript.attempts:
        if attempt.settled or attempt.tries <= limit:
            attempts.append(attempt)
            continue
        attempts.append(attempt.model_copy(update={"settled": True}))
        if attempt.rejected is not None:
            fallbacks += 1
            sections = _fallen_back(sections, attempt.sentence)
    for section, sentence in _newly_settled(sections, manuscript.attempts, attempts):
        show_sentence(runtime, "verify", section.name, sentence)
    result = session.services.reporter.verify(sections, at.ledger, at.context)
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
