"""From the experts' answers to the ledger: place the boxes, find similar reports, reconcile."""

from __future__ import annotations

from agents.nodes.reported import Run, note, reported
from agents.numbering import gathered, numbered
from agents.reconciliation import place, reconcile
from agents.state import DraftState, EvidenceSet
from findings.errors import ExpertError, IndexUnavailableError


@reported("regions")
def regions(state: DraftState, runtime: Run) -> DraftState:
    """Number all evidence over the draft and place every box by the anatomical masks."""
    items = gathered(state.get("outputs", {}))
    try:
        return {"evidence": EvidenceSet(items=place(items))}
    except ExpertError as error:
        note(runtime, "regions", str(error))
        return {"evidence": EvidenceSet(items=items), "warnings": [str(error)]}


@reported("retrieve")
def retrieve(state: DraftState, runtime: Run) -> DraftState:
    """Add similar prior reports, which steer wording and never vote."""
    session = runtime.context
    wanted, source = session.settings.retrieval, session.services.neighbours
    if source is None or not wanted.enabled or wanted.neighbours == 0:
        return {}
    items = state["evidence"].items
    try:
        found = source.neighbours(items, state["request"].language, wanted.neighbours, wanted.floor)
    except IndexUnavailableError as error:
        note(runtime, "retrieve", str(error))
        return {"warnings": [f"No similar reports were used: {error}"]}
    return {"evidence": EvidenceSet(items=(*items, *numbered(found, len(items) + 1)))}


@reported("reconcile")
def reconcile_evidence(state: DraftState, runtime: Run) -> DraftState:
    """Decide every finding from the voices on it."""
    ledger = reconcile(state["evidence"].items, runtime.context.services.fusion)
    disputed = sum(bool(entry.disagreements) for entry in ledger.entries)
    note(runtime, "reconcile", f"{len(ledger.entries)} entries, {disputed} with disagreements")
    return {"ledger": ledger}
