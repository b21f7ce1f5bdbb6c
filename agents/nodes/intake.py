"""Load the study and let the input gate decide whether it may be read."""

from __future__ import annotations

from agents.nodes.reported import Run, reported
from agents.session import identity
from agents.state import DraftState
from imaging.study import GateDecision
from reporting.draft import Writer


@reported("load")
def load(state: DraftState, runtime: Run) -> DraftState:
    """Load the study; only its key enters the state."""
    session = runtime.context
    study = session.study()
    return {
        "study": identity(study),
        "warnings": list(study.warnings),
        "timings": {"load": round(session.load_seconds, 4)},
    }


@reported("gate")
def gate(state: DraftState, runtime: Run) -> DraftState:
    """Examine the study; once it is let in, the language model may begin to load."""
    session = runtime.context
    result = session.services.gate.examine(session.study(state["study"]))
    if (
        result.decision is not GateDecision.REFUSE
        and state["request"].aggregator is not Writer.PHRASER
    ):
        for backend in session.services.backends:
            backend.prepare()
    return {"gate": result}


def admitted(state: DraftState) -> bool:
    """Whether the gate let the study in."""
    return state["gate"].decision is not GateDecision.REFUSE
