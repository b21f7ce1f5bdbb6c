"""Rehearsing a run: build everything, make three steps, say how long the whole would take.

A role's run reads its data, builds its task and starts the loop. A rehearsal lets it do so
unchanged and leaves at the loop's start, before anything but decoded images is written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from models.training.progress import duration

_REHEARSING: ContextVar[bool] = ContextVar("rehearsing", default=False)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was found out; ``batch`` counts the images of a step over all processes."""

    parameters: int
    trained: int
    device: str
    processes: int
    precision: str
    batch: int
    steps: int
    seconds_per_step: float
    loss: float

    def text(self) -> str:
        """Lines for people."""
        whole = duration(self.steps * self.seconds_per_step)
        return "\n".join(
            [
                f"parameters   {self.parameters:,}, of which {self.trained:,} are trained",
                f"device       {self.device}, {self.processes} process(es), {self.precision}",
                f"steps        {self.steps:,} of {self.batch} images",
                f"first loss   {self.loss:.4f} (third step)",
                f"time         {self.seconds_per_step:.2f} s a step, {whole} for all steps of a "
                "network, validations not counted",
            ]
        )


class Rehearsed(BaseException):
    """Leaves a run with what its rehearsal found; no error, so no handler of errors stops it."""

    def __init__(self, found: Rehearsal) -> None:
        super().__init__(found)
        self.found = found


def rehearsing() -> bool:
    """Whether the run at hand is a rehearsal."""
    return _REHEARSING.get()


def rehearse(run: Callable[[], object]) -> Rehearsal:
    """Call ``run`` up to the start of its first training loop."""
    token = _REHEARSING.set(True)
    try:
        run()
    except Rehearsed as end:
        return end.found
    finally:
        _REHEARSING.reset(token)
    raise RuntimeError("the run did not come to its training loop")
