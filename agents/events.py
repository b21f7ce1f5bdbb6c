"""Progress events: what every node of the state machine reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from findings.claims import Frozen
from reporting.draft import SectionName


class Phase(StrEnum):
    """Where a node stands."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    NOTE = "note"


class ProgressEvent(Frozen):
    """One step of one node. Details are plain words without patient data."""

    node: str
    """A node of the graph, or `experts.ROLE` for one expert."""
    phase: Phase
    seconds: float | None = None
    """How long the node took, where it has ended."""
    detail: str = ""
    sentence: str | None = None
    """A sentence that has been written and has passed its read-back: safe to show."""
    section: SectionName | None = None
    """The section that the sentence stands in."""
    sentence_id: str | None = None
    pending: str | None = None
    """A wording that has not been read back yet, or that a model may still reword: it may be shown
    as such only, until `sentence` comes under the same id."""


EventSink = Callable[[ProgressEvent], None]
"""Takes events as they happen, from the thread that runs the graph."""
