"""The review: the graph stops for a person, and only a person's sign-off finalises a draft."""

from __future__ import annotations

from datetime import UTC, datetime

from langgraph.types import interrupt

from agents.nodes.reported import Run, note, reported
from agents.reporting_context import report_context
from agents.session import Session
from agents.state import DraftState, FinalText, Manuscript, Review, SignOff
from findings.errors import EvidenceRuleError
from reporting.draft import DraftStatus, Origin, SectionName


def review(state: DraftState, runtime: Run) -> DraftState:
    """Wait for a person. The answer is a `SignOff`; until then nothing further happens."""
    answer = interrupt(
        {"ask": "sign", "unsupported": state["manuscript"].counts.unsupported},
        response_schema=SignOff,
    )
    signed = SignOff.model_validate(answer)
    verdict = Review(
        status=DraftStatus.SIGNED,
        signer=signed.signer,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        language=signed.text.language if signed.text else None,
    )
    if signed.text is None:
        return {"review": verdict}
    return {"review": verdict, "manuscript": _edited(state, runtime.context, signed.text)}


def require_confirmed(state: DraftState, session: Session, answer: SignOff) -> None:
    """Raise `EvidenceRuleError` where the text to be signed says what nothing carries.

    Asked before the review is answered: an answer that fails could not be given again.
    """
    manuscript = _edited(state, session, answer.text) if answer.text else state["manuscript"]
    _require(manuscript)


def _require(manuscript: Manuscript) -> None:
    if manuscript.counts.unsupported:
        raise EvidenceRuleError(
            f"{manuscript.counts.unsupported} sentence(s) could not be confirmed against the "
            "evidence, so the draft cannot be signed. Reword or reject them, or draft again."
        )


def _edited(state: DraftState, session: Session, text: FinalText) -> Manuscript:
    """The manuscript as the person left it; what the person wrote is for the person to answer."""
    sections = tuple(s for s in text.sections if s.name is not SectionName.INDICATION)
    own = {s.id for sec in sections for s in sec.sentences if s.origin is Origin.PERSON}
    context = report_context(state, session.study(state["study"]))
    result = session.services.reporter.verify(
        sections, state["ledger"], context.model_copy(update={"language": text.language})
    )
    unsupported = len((set(result.unsupported) | set(result.faulty)) - own)
    manuscript = state["manuscript"]
    counts = manuscript.counts.model_copy(update={"unsupported": unsupported})
    return manuscript.model_copy(update={"sections": sections, "counts": counts})


@reported("finalise")
def finalise(state: DraftState, runtime: Run) -> DraftState:
    """Close a signed draft. Raises `EvidenceRuleError` where it still says what nothing carries."""
    _require(state["manuscript"])
    note(runtime, "finalise", "signed")
    return {}
