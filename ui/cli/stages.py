"""Progress of work that has several named stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ui.cli.progress import Advance, transfer_progress

if TYPE_CHECKING:
    from evaluation.experts.readings import Progress


@contextmanager
def stages() -> Iterator[Progress]:
    """Progress by named stages: a bar each on a terminal, lines in a pipe."""
    with ExitStack() as stack:
        shown: dict[str, tuple[ExitStack, Advance]] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in shown:
                for own, _ in shown.values():
                    own.close()
                own = stack.enter_context(ExitStack())
                shown[stage] = own, own.enter_context(transfer_progress(stage))
            shown[stage][1](done, total)

        yield advance
