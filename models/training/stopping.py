"""SIGINT and SIGTERM while a network is trained: end after the step in hand, not within it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Notes a signal for the loop to see; further ones change nothing.

    Only the main thread may take signals; elsewhere nothing is noted.
    """

    def __init__(self) -> None:
        self.noted = False
        self._breakable = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        first, self.noted = not self.noted, True
        if first and self._breakable:
            raise KeyboardInterrupt

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Within it a signal interrupts at once: for long work that can simply be done again."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False
