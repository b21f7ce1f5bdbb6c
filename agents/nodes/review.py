"""The review: the graph stops for a person, and only a person's sign-off finalises a draft."""

from __future__ import annotations

from langgraph.types import interrupt

from agents.nodes.reported import Run, note, reported
from agents.state import DraftState, Review, SignOff
from findings.errors import EvidenceRuleError
from reporting.draft import DraftStatus


def review(state: DraftState, runtime: Run) -> DraftState:
    """Wait for a person. The answer is a `SignOff`; until then nothing further happens."""
    answer = interrupt(
        {"ask": "sign", "unsupported": state["manuscript"].counts.unsupported},
        response_schema=SignOff,
    )
    signed = SignOff.model_validate(answer)
    return {"review": Review(status=DraftStatus.SIGNED, signer=signed.signer)}


@reported("finalise")
def finalise(state: DraftState, runtime: Run) -> DraftState:
    """Close a signed draft. Raises `EvidenceRuleError` where it still says what nothing carries."""
    unsupported = state["manuscript"].counts.unsupported
    if unsupported:
        raise EvidenceRuleError(
            f"{unsupported} sentence(s) could not be confirmed against the evidence, so the draft "
            "cannot be signed. Correct them and draft again."
        )
    note(runtime, "finalise", "signed")
    return {}
