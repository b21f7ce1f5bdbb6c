"""The end of a process waits for threads in native code, but not for ever."""

from __future__ import annotations

import subprocess
import sys
import time

WAITS = """
import time
from agents import background
background.start(lambda: (time.sleep(0.5), print("done", flush=True)), "slow")
print("ended", flush=True)
"""
HANGS = """
import time
from agents import background
background.PATIENCE_SECONDS = 0.2
background.start(lambda: time.sleep(60), "hanging")
background.start(lambda: time.sleep(60), "hanging too")
"""


def run(script: str) -> tuple[str, float]:
    """What a process of its own prints, and how long it takes."""
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    return ended.stdout, time.monotonic() - started


def test_work_under_way_is_finished_before_the_process_ends() -> None:
    said, _ = run(WAITS)
    assert said.split() == ["ended", "done"]


def test_hanging_threads_are_left_behind() -> None:
    _, seconds = run(HANGS)
    assert seconds < 10
