"""Progress of a run on standard error: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def duration(seconds: float) -> str:
    """A length of time as people say it: ``48 s``, ``7 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class RunProgress:
    """Says how far a run is and how long it will still take.

    Without a terminal there is one line for every ``every`` steps, written through at once, so
    that a log file can be followed. A silent one (for all processes but the main one) says
    nothing.
    """

    def __init__(self, step: int, steps: int, every: int, silent: bool = False) -> None:
        self._begun_at = step
        self._steps = steps
        self._every = every
        self._silent = silent
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> RunProgress:
        if not self._silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("loss {task.fields[loss]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(
                "", total=self._steps, completed=self._begun_at, loss="-"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def remaining(self, step: int) -> float:
        """Seconds to the last step at the pace so far, validations included."""
        done = max(1, step - self._begun_at)
        return (time.monotonic() - self._started) / done * (self._steps - step)

    def advance(self, step: int, loss: float) -> None:
        """One more step is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, loss=f"{loss:.4f}")
        elif step % self._every == 0:
            self.say(
                f"step {step} of {self._steps}  loss {loss:.4f}  "
                f"{duration(self.remaining(step))} remaining"
            )

    def say(self, line: str) -> None:
        """Leave a line behind."""
        if self._bar is not None:
            self._bar.console.print(line, soft_wrap=True, highlight=False)
        elif not self._silent:
            print(line, file=sys.stderr, flush=True)
