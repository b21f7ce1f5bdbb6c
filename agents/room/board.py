"""What is going on with each study: its state, and its progress events for whoever watches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from enum import StrEnum

from agents.events import ProgressEvent
from findings.claims import Frozen


class StudyState(StrEnum):
    """How far a study has come."""

    NEW = "new"
    QUEUED = "queued"
    DRAFTING = "drafting"
    DRAFTED = "drafted"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in (StudyState.QUEUED, StudyState.DRAFTING)


class Note(Frozen):
    """The state of one study, and in words why it failed or was refused."""

    state: StudyState
    detail: str = ""


class Board:
    """States and events by study; watchers may come at any time and miss nothing of a run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._notes: dict[str, Note] = {}
        self._events: dict[str, list[ProgressEvent]] = {}

    def note(self, study_id: str) -> Note | None:
        """The study's state; None where nothing was asked of it since the start."""
        with self._changed:
            return self._notes.get(study_id)

    def begin(self, study_id: str) -> bool:
        """Mark a study as queued and forget its former events; False where it is at work."""
        with self._changed:
            own = self._notes.get(study_id)
            if own is not None and not own.state.over:
                return False
            self._notes[study_id] = Note(state=StudyState.QUEUED)
            self._events[study_id] = []
            self._changed.notify_all()
            return True

    def queued(self) -> int:
        """How many studies wait for their turn."""
        with self._changed:
            return sum(note.state is StudyState.QUEUED for note in self._notes.values())

    def pin(self, study_id: str, state: StudyState, detail: str = "") -> None:
        """State how far the study is now."""
        with self._changed:
            self._notes[study_id] = Note(state=state, detail=detail)
            self._changed.notify_all()

    def tell(self, study_id: str, event: ProgressEvent) -> None:
        """Add an event of the run."""
        with self._changed:
            self._events.setdefault(study_id, []).append(event)
            self._changed.notify_all()

    def watch(self, study_id: str, patience: float = 15.0) -> Iterator[ProgressEvent | None]:
        """The run's events from its start to its end; None whenever nothing came for a while."""
        seen = 0
        while True:
            with self._changed:
                events = self._events.get(study_id, [])
                own = self._notes.get(study_id)
                if seen >= len(events):
                    if own is None or own.state.over:
                        return
                    self._changed.wait(patience)
                    events = self._events.get(study_id, [])
                fresh = events[seen:]
            seen += len(fresh)
            if fresh:
                yield from fresh
            else:
                yield None

    def since(
        self, study_id: str, seen: int, patience: float
    ) -> tuple[tuple[ProgressEvent, ...], Note | None]:
        """The run's events after the first `seen`, and how far it is; waits a while for news."""
        with self._changed:
            own = self._notes.get(study_id)
            at_work = own is not None and not own.state.over
            if at_work and len(self._events.get(study_id, [])) <= seen:
                self._changed.wait(patience)
            events = self._events.get(study_id, [])
            return tuple(events[max(0, seen) :]), self._notes.get(study_id)

    def forget(self, study_id: str) -> None:
        """Take the study off the board."""
        with self._changed:
            self._notes.pop(study_id, None)
            self._events.pop(study_id, None)
            self._changed.notify_all()
