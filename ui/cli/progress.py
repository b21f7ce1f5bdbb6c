"""Progress of long work: a live view on a terminal, one plain line per step in a pipe.

Everything goes to standard error, so that standard output holds only the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.live import Live

    from agents.events import ProgressEvent

Advance = Callable[[int, int], None]
"""Called with what is done and what there is to do (0: unknown)."""


@contextmanager
def transfer_progress(title: str) -> Iterator[Advance]:
    """A progress bar over a count of steps or bytes; in a pipe, a line at the start and the end.

    Work that turns out to be done already leaves no line.
    """
    if not sys.stderr.isatty():
        begun = False

        def note(done: int, total: int) -> None:
            nonlocal begun
            if not begun:
                begun = True
                click.echo(f"{title}: started", err=True)

        yield note
        if begun:
            click.echo(f"{title}: done", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        yield advance


class NodeProgress:
    """Shows the events of one run of the state machine."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._lines: list[str] = []
        self._running: dict[str, None] = {}

    def __enter__(self) -> NodeProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._running.clear()
            self._render()
            self._live.stop()

    def show(self, event: ProgressEvent) -> None:
        """Take in one event."""
        line = _line(event)
        if self._live is None:
            if line is not None:
                click.echo(line, err=True)
            return
        if event.phase == "started" and event.node != _BETWEEN_EXPERTS:
            self._running[event.node] = None
        elif event.phase in ("finished", "failed"):
            self._running.pop(event.node, None)
        if line is not None:
            self._lines.append(line)
        self._render()

    def _render(self) -> None:
        from rich.text import Text

        if self._live is not None:
            running = [f"… {node}" for node in self._running]
            self._live.update(Text("\n".join([*self._lines, *running])))


_BETWEEN_EXPERTS = "experts"
"""The node between waves of experts; the experts' own lines say all there is to say."""


def _line(event: ProgressEvent) -> str | None:
    """The one line that an event leaves behind; a start or a pending wording leaves none."""
    if event.phase == "started" or event.node == _BETWEEN_EXPERTS or event.pending:
        return None
    mark = {"finished": "✓", "failed": "✗"}.get(event.phase, "·")
    seconds = f"{event.seconds:6.2f} s" if event.seconds is not None else " " * 8
    detail = event.sentence or event.detail
    return f"{mark} {event.node:22} {seconds}  {detail}".rstrip()
