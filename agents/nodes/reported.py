"""Reporting a node's progress: start, end, failure and time of every node, in one place."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from time import perf_counter

from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from agents.events import Phase, ProgressEvent
from agents.session import Session
from agents.state import DraftState
from findings.errors import ReadingRoomError
from reporting.draft import SectionName, Sentence

_LOG = logging.getLogger("readingroom.graph")

Run = Runtime[Session]
Node = Callable[[DraftState, Run], DraftState]


def reported(name: str) -> Callable[[Node], Node]:
    """Wrap a node so that it streams its events and adds its time to the state.

    A node that knows its own time better (work done before the graph began) returns it itself.
    """

    def wrap(node: Node) -> Node:
        @functools.wraps(node)
        def run(state: DraftState, runtime: Run) -> DraftState:
            started = perf_counter()
            emit(runtime, ProgressEvent(node=name, phase=Phase.STARTED))
            try:
                update = node(state, runtime)
            except GraphBubbleUp:
                raise
            except Exception as error:
                seconds = perf_counter() - started
                detail = str(error) if isinstance(error, ReadingRoomError) else type(error).__name__
                emit(
                    runtime,
                    ProgressEvent(node=name, phase=Phase.FAILED, seconds=seconds, detail=detail),
                )
                raise
            timings = {name: round(perf_counter() - started, 4), **update.get("timings", {})}
            emit(runtime, ProgressEvent(node=name, phase=Phase.FINISHED, seconds=timings[name]))
            return {**update, "timings": timings}

        return run

    return wrap


def emit(runtime: Run, event: ProgressEvent) -> None:
    """Stream one event, and log it without its text."""
    _LOG.debug("node=%s phase=%s seconds=%s", event.node, event.phase.value, event.seconds)
    runtime.stream_writer(event)


def note(runtime: Run, node: str, detail: str) -> None:
    """Stream a remark of a node. Never with patient data."""
    emit(runtime, ProgressEvent(node=node, phase=Phase.NOTE, detail=detail))


def show_sentence(runtime: Run, node: str, section: SectionName, sentence: Sentence) -> None:
    """Stream a sentence that has passed its read-back."""
    shown = ProgressEvent(
        node=node,
        phase=Phase.NOTE,
        section=section,
        sentence_id=sentence.id,
        sentence=sentence.text,
    )
    emit(runtime, shown)


def show_pending(runtime: Run, node: str, section: SectionName, sentence: Sentence) -> None:
    """Stream a wording that is not yet known to stand."""
    shown = ProgressEvent(
        node=node,
        phase=Phase.NOTE,
        section=section,
        sentence_id=sentence.id,
        pending=sentence.text,
    )
    emit(runtime, shown)
