"""The job: a study in, a verified draft out; and going on with one that was cut off."""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from agents.checkpoints import UnfinishedDraft, forget_history, open_checkpoints, prune
from agents.events import EventSink, ProgressEvent
from agents.services import Services
from agents.session import Session, digest
from agents.settings import Settings
from agents.state import DraftRequest, DraftState, SignOff
from findings.errors import NotAChestRadiographError, UserInputError
from findings.vocabulary import Language
from imaging.study import GateResult, Study
from reporting.draft import Draft, Writer

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import Command

    Graph = CompiledStateGraph[DraftState, Session, DraftState, DraftState]

_LOG = logging.getLogger("readingroom.drafting")
_MAX_STEPS = 60
_OUT = Path("out")
"""Where drafts are written that no folder is named for."""


@dataclass(frozen=True)
class DraftOptions:
    """What a person asks of one draft."""

    prior: Path | None = None
    prior_report: str | None = None
    """The text of the prior report."""
    language: Language = Language.ENGLISH
    indication: str | None = None
    seed: int = 0
    aggregator: Literal["embedded", "vllm", "phraser"] | str = "embedded"
    out: Path | None = None
    """Folder for the results; `None`: out/STUDY_KEY in the working directory."""


@dataclass(frozen=True)
class DraftOutcome:
    """A finished draft, the study it is about, where it was written, and its thread."""

    draft: Draft
    study: Study
    out: Path
    thread_id: str


def draft_study(
    path: Path,
    options: DraftOptions,
    settings: Settings,
    on_event: EventSink | None = None,
    services: Services | None = None,
    thread: str | None = None,
) -> DraftOutcome:
    """Draft a report for the study at `path` and write it to the options' folder.

    The graph runs up to the review: the draft is verified, not signed. The same study, options and
    seed give the same draft but for its times. `thread` names its checkpoints. Raises
    `NotAChestRadiographError` where the input gate refuses the study or its prior, `StudyError`
    where one cannot be loaded, `UserInputError` where the folder cannot be written, before any
    work is done.
    """
    from reporting.files import require_writable

    require_writable(Path(options.out or _OUT).absolute())
    request = DraftRequest(
        path=str(Path(path).absolute()),
        prior_path=str(Path(options.prior).absolute()) if options.prior else None,
        language=options.language,
        seed=options.seed,
        aggregator=Writer(options.aggregator),
        indication_digest=digest(options.indication),
        prior_report_digest=digest(options.prior_report),
    )
    session = _session(settings, request, options.indication, options.prior_report, services)
    thread_id = thread or f"{session.study().study_key}-{secrets.token_hex(4)}"
    beginning: DraftState = {"request": request, "thread_id": thread_id}
    with _opened(session) as graph:
        return _run(graph, session, thread_id, beginning, options.out, on_event)


def draft_aside(
    path: Path,
    options: DraftOptions,
    settings: Settings,
    on_event: EventSink | None = None,
    services: Services | None = None,
) -> Draft:
    """Draft by the phraser and leave nothing: for questions and reviews, which need its ledger.

    Raises as `draft_study` does.
    """
    thread = f"aside-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="readingroom-") as folder:
        aside = replace(
            options,
            seed=settings.seed,
            aggregator=Writer.PHRASER.value,
            out=Path(folder) / "draft",
        )
        try:
            return draft_study(path, aside, settings, on_event, services, thread).draft
        finally:
            with open_checkpoints(settings.checkpoint_file) as saver:
                saver.delete_thread(thread)


def resume_draft(
    thread_id: str,
    settings: Settings,
    *,
    indication: str | None = None,
    prior_report: str | None = None,
    out: Path | None = None,
    on_event: EventSink | None = None,
    services: Services | None = None,
) -> DraftOutcome:
    """Go on with a draft that was cut off, without repeating the experts that had answered.

    Raises `UserInputError` where no such draft is kept or the texts are not those it was begun
    with, `StudyError` where the study's pixels have changed.
    """
    request = _request(thread_id, settings)
    session = _session(settings, request, indication, prior_report, services)
    with _opened(session) as graph:
        return _run(graph, session, thread_id, None, out, on_event)


def sign_draft(
    thread_id: str,
    sign_off: SignOff,
    settings: Settings,
    *,
    indication: str | None = None,
    prior_report: str | None = None,
    out: Path | None = None,
    on_event: EventSink | None = None,
    services: Services | None = None,
) -> DraftOutcome:
    """Answer a draft's review with a person's sign-off; the draft becomes signed.

    Raises `UserInputError` where the draft is not waiting for its review, `EvidenceRuleError` where
    it holds sentences that the evidence does not carry.
    """
    from langgraph.types import Command

    from agents.nodes.review import require_confirmed

    request = _request(thread_id, settings)
    session = _session(settings, request, indication, prior_report, services)
    with _opened(session) as graph:
        waiting = graph.get_state(_config(thread_id))
        if waiting.next != ("review",):
            raise UserInputError(
                "This draft is not waiting for a sign-off: it is unfinished or already signed."
            )
        require_confirmed(cast(DraftState, waiting.values), session, sign_off)
        return _run(graph, session, thread_id, Command(resume=sign_off), out, on_event)


def unfinished_drafts(settings: Settings) -> tuple[UnfinishedDraft, ...]:
    """Drafts that were cut off before their review, oldest first."""
    from agents.graph import build_graph

    if not settings.checkpoint_file.is_file():
        return ()
    found: list[UnfinishedDraft] = []
    with open_checkpoints(settings.checkpoint_file) as saver:
        graph = build_graph({}, saver)
        with saver.cursor(transaction=False) as cursor:
            threads = cursor.execute(
                "SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY MIN(checkpoint_id)"
            ).fetchall()
        for (thread_id,) in threads:
            waiting = graph.get_state(_config(thread_id)).next
            if waiting and waiting != ("review",):
                found.append(UnfinishedDraft(thread_id=thread_id, next_node=waiting[0]))
    return tuple(found)


@contextmanager
def _opened(session: Session) -> Iterator[Graph]:
    from agents.graph import build_graph

    settings = session.settings
    with open_checkpoints(settings.checkpoint_file) as saver:
        prune(saver, settings.checkpoint_days)
        yield build_graph(session.services.experts, saver)


def _run(
    graph: Graph,
    session: Session,
    thread_id: str,
    given: DraftState | Command[Any] | None,
    out: Path | None,
    on_event: EventSink | None,
) -> DraftOutcome:
    """Run the graph until it stops, and write what it came to."""
    from langsmith import tracing_context

    from agents.assembly import assemble
    from agents.trail import close, record
    from reporting.files import write_draft

    config = _config(thread_id)
    saver = graph.checkpointer
    _LOG.info("thread=%s begins", thread_id)
    with tracing_context(enabled=False):  # a trace would carry the state to another machine
        events = graph.stream(
            given, config, context=session, stream_mode="custom", durability="sync"
        )
        try:
            for event in events:
                if on_event is not None:
                    on_event(cast(ProgressEvent, event))
        except NotAChestRadiographError:  # to go on with it would end so again
            saver.delete_thread(thread_id)  # type: ignore[union-attr]
            raise
    snapshot = graph.get_state(config)
    state = cast(DraftState, snapshot.values)
    if "ledger" not in state:
        saver.delete_thread(thread_id)  # type: ignore[union-attr]
        raise NotAChestRadiographError(refusal(state["gate"]))
    draft = assemble(state, session)
    study = session.study(state["study"])
    folder = out or _OUT / study.study_key
    write_draft(draft, study.frontal, folder)
    signed = "review" in state
    if signed:
        close(draft, folder)
    else:
        record(draft, thread_id, session.services.fusion.version, folder)
    forget_history(saver, thread_id)  # type: ignore[arg-type]
    _LOG.info("thread=%s status=%s", thread_id, draft.status.value)
    return DraftOutcome(draft=draft, study=study, out=folder, thread_id=thread_id)


def refusal(result: GateResult) -> str:
    """Why the gate refused, in one or two sentences."""
    texts = [reason.text.rstrip(".") for reason in result.reasons]
    why = "; ".join(texts) if texts else "it does not look like one"
    return (
        f"The study was refused as no frontal chest radiograph: {why}. Give a frontal chest film."
    )


def _request(thread_id: str, settings: Settings) -> DraftRequest:
    with open_checkpoints(settings.checkpoint_file) as saver:
        kept = saver.get_tuple(_config(thread_id))
    request = kept.checkpoint["channel_values"].get("request") if kept else None
    if not isinstance(request, DraftRequest):
        raise UserInputError("There is no draft with that thread id. Begin a new draft.")
    return request


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": _MAX_STEPS}


def _session(
    settings: Settings,
    request: DraftRequest,
    indication: str | None,
    prior_report: str | None,
    services: Services | None,
) -> Session:
    """A session with the given services, or with those that the settings name."""
    from agents.wiring import wire

    return Session(
        services=services or wire(settings, request),
        settings=settings,
        request=request,
        indication=indication,
        prior_report=prior_report,
    )
