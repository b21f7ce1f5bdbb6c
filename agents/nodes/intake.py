"""Load the study and let the input gate decide whether it may be read."""

from __future__ import annotations

from agents.nodes.reported import Run, reported
from agents.session import identity
from agents.state import DraftState
from findings.errors import NotAChestRadiographError
from imaging.study import GateDecision, GateResult
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
    """Examine the study and its prior; once let in, the language model may begin to load.

    Raises `NotAChestRadiographError` where the prior is refused: what experts see on a lateral
    film would be told as a change.
    """
    session = runtime.context
    study = session.study(state["study"])
    result = session.services.gate.examine(study)
    if result.decision is not GateDecision.REFUSE and study.prior is not None:
        _require_admitted(session.services.gate.examine(study.prior))
    if (
        result.decision is not GateDecision.REFUSE
        and state["request"].aggregator is not Writer.PHRASER
    ):
        for backend in session.services.backends:
            backend.prepare()
    return {"gate": result}


def _require_admitted(prior: GateResult) -> None:
    refusals = [r.text for r in prior.reasons if r.severity is GateDecision.REFUSE]
    if prior.decision is GateDecision.REFUSE:
        raise NotAChestRadiographError(
            f"The prior was refused as no frontal chest radiograph: {' '.join(refusals)} "
            "Give a frontal chest film of an earlier day, or no prior."
        )


def admitted(state: DraftState) -> bool:
    """Whether the gate let the study in."""
    return state["gate"].decision is not GateDecision.REFUSE
