"""What a served model is writing of an answer, for whoever watches; gone when the answer stands."""

from __future__ import annotations

import threading

from findings.claims import Frozen


class Writing(Frozen):
    """The words so far, not yet read back, and how often they have changed."""

    words: str = ""
    changes: int = 0


class Words:
    """Words being written, by study. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writing: dict[str, Writing] = {}

    def write(self, study_id: str, words: str) -> None:
        """Put the words so far in place of those before."""
        with self._changed:
            before = self._writing.get(study_id, Writing())
            if words != before.words:
                self._writing[study_id] = Writing(words=words, changes=before.changes + 1)
                self._changed.notify_all()

    def end(self, study_id: str) -> None:
        """The answer stands, or there will be none: nothing is being written any more."""
        with self._changed:
            self._writing.pop(study_id, None)
            self._changed.notify_all()

    def since(self, study_id: str, seen: int, patience: float) -> Writing:
        """The words after the change `seen`; waits a while for some."""
        with self._changed:
            if self._writing.get(study_id, Writing()).changes == seen:
                self._changed.wait(patience)
            return self._writing.get(study_id, Writing())
