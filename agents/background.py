"""Threads that a process may leave behind, but not in the middle of native code.

A daemon thread that is inside a native library when the interpreter ends is torn out of it, and
the whole process aborts although its work was done. So the end waits for such threads a little; one
that hangs is left behind all the same.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Final

PATIENCE_SECONDS: Final = 5.0
"""How long the end of the process waits for all of them together."""

_started: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()


def start(work: Callable[[], object], name: str) -> threading.Thread:
    """Run `work` in a daemon thread that the end of the process waits for, briefly."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    _started.add(thread)
    thread.start()
    return thread


@atexit.register
def wait_for_all() -> None:
    """Wait until the threads are done, at most `PATIENCE_SECONDS`."""
    until = monotonic() + PATIENCE_SECONDS
    for thread in list(_started):
        thread.join(max(0.0, until - monotonic()))
