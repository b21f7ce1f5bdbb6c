"""The experts, in parallel waves: each as soon as the roles it needs have answered.

An expert that is not installed, fails or runs out of time leaves a note in the draft, and the
draft goes on. What an expert returned is kept under its role, so that the order in which experts
finish cannot show in the draft.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Mapping
from time import perf_counter

from langgraph.types import Send

from agents import background
from agents.events import Phase, ProgressEvent
from agents.nodes.reported import Run, emit, reported
from agents.numbering import numbered
from agents.session import Session
from agents.state import DraftState, ExpertOutput, ExpertTask
from findings.errors import ExpertError, ExpertTimeoutError, ReadingRoomError
from findings.evidence import Evidence
from reporting.draft import ExpertNote, ModelUse
from tools.contract import Expert, ExpertContext, Role

_LOG = logging.getLogger("readingroom.experts")

EXPERT_NODE = "expert"


@reported("experts")
def experts(state: DraftState, runtime: Run) -> DraftState:
    """Stand between waves: note the experts that cannot run, and those whose needs never come."""
    answered, roles = state.get("outputs", {}), runtime.context.services.experts
    notes: dict[str, ExpertOutput] = {}
    for role, chosen in roles.items():
        if role.value not in answered and not chosen.installed():
            lacks = chosen.card.lacks or "Its weights are not here."
            notes[role.value] = _without(chosen, "not_installed", lacks)
    left = None
    while left != len(notes):  # one that cannot run may keep others from running
        left = len(notes)
        for role, chosen in roles.items():
            if role.value in answered or role.value in notes:
                continue
            lacking = [n for n in chosen.card.needs if not _may_come(n, answered, notes, roles)]
            if lacking:
                missing = ", ".join(need.value for need in lacking)
                notes[role.value] = _without(chosen, "skipped", f"It needs: {missing}.")
    for output in notes.values():
        if output.note is not None:
            detail = f"{output.note.status.replace('_', ' ')}: {output.note.detail}"
            node = f"experts.{output.role.value}"
            emit(runtime, ProgressEvent(node=node, phase=Phase.NOTE, detail=detail))
    now, last = perf_counter(), runtime.context.experts_seen_at
    runtime.context.experts_seen_at = now
    whole = 0.0 if last is None else round(now - last, 4)
    return {"outputs": notes, "timings": {"experts": whole}}


def ready(state: DraftState, experts: Mapping[Role, Expert]) -> list[Role]:
    """Roles that have not answered and may begin, in the order of roles.

    What a role needs must have answered with evidence; what it only uses, in any way at all.
    """
    answered = state.get("outputs", {})
    return [
        role
        for role in Role
        if role in experts
        and role.value not in answered
        and all(_answers(need, answered) for need in experts[role].card.needs)
        and all(use.value in answered for use in experts[role].card.uses if use in experts)
    ]


def send(role: Role, state: DraftState) -> Send:
    """One expert's share of a wave."""
    needed: DraftState = {"study": state["study"], "request": state["request"]}
    if "outputs" in state:
        needed["outputs"] = state["outputs"]
    return Send(EXPERT_NODE, ExpertTask(role=role.value, state=needed))


def expert(task: ExpertTask, runtime: Run) -> DraftState:
    """Run one expert under its time limit."""
    session, role = runtime.context, Role(task["role"])
    node = f"experts.{role.value}"
    chosen = session.services.experts[role]
    emit(runtime, ProgressEvent(node=node, phase=Phase.STARTED, detail=chosen.card.name))
    started = perf_counter()
    try:
        evidence = _run(chosen, session, task["state"])
    except ExpertError as error:
        status = "timed_out" if isinstance(error, ExpertTimeoutError) else "failed"
        _LOG.warning("expert=%s status=%s", role.value, status)
        output = _without(chosen, status, str(error))
    else:
        card = chosen.card
        used = ModelUse(
            role=role.value,
            name=card.name,
            version=card.version,
            licence=card.licence,
            sha256=card.sha256,
        )
        output = ExpertOutput(role=role, evidence=evidence, model=used)
    seconds = round(perf_counter() - started, 4)
    phase = Phase.FAILED if output.note else Phase.FINISHED
    detail = output.note.detail if output.note else f"{len(output.evidence)} items of evidence"
    emit(runtime, ProgressEvent(node=node, phase=phase, seconds=seconds, detail=detail))
    return {
        "outputs": {role.value: output.model_copy(update={"seconds": seconds})},
        "timings": {node: seconds},
    }


def _run(chosen: Expert, session: Session, state: DraftState) -> tuple[Evidence, ...]:
    """The expert's evidence, or `ExpertError`; the study itself failing stops the draft."""
    study = session.study(state["study"])
    outputs = state.get("outputs", {})
    given = numbered(
        item
        for role in (*chosen.card.needs, *chosen.card.uses)
        if role.value in outputs
        for item in outputs[role.value].evidence
    )
    context = ExpertContext(
        language=state["request"].language.value, seed=state["request"].seed, evidence=given
    )
    limit = session.settings.experts.time_limit_seconds
    answers: queue.SimpleQueue[tuple[Evidence, ...] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(tuple(chosen.run(study, context)))
        except BaseException as error:  # handed over to the waiting thread, which judges it
            answers.put(error)

    # One that hangs can be left behind and does not keep the process alive.
    background.start(work, f"expert-{chosen.card.role.value}")
    try:
        answer = answers.get(timeout=limit)
    except queue.Empty:
        raise ExpertTimeoutError(f"It did not answer within {limit:g} seconds.") from None
    if isinstance(answer, ReadingRoomError):
        raise answer if isinstance(answer, ExpertError) else ExpertError(str(answer)) from answer
    if isinstance(answer, BaseException):
        raise ExpertError(
            f"It stopped with an internal error ({type(answer).__name__})."
        ) from answer
    return answer


def _answers(need: Role, answered: Mapping[str, ExpertOutput]) -> bool:
    return need.value in answered and answered[need.value].note is None


def _may_come(
    need: Role,
    answered: Mapping[str, ExpertOutput],
    notes: Mapping[str, ExpertOutput],
    roles: Mapping[Role, Expert],
) -> bool:
    if need.value in answered:
        return _answers(need, answered)
    return need in roles and need.value not in notes


def _without(expert: Expert, status: str, detail: str) -> ExpertOutput:
    card = expert.card
    note = ExpertNote.model_validate(
        {"role": card.role.value, "name": card.name, "status": status, "detail": detail}
    )
    return ExpertOutput(role=card.role, note=note)
