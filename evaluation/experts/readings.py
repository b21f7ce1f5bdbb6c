"""What the experts under test state about films: each film is looked at once, whoever asks.

The outlines of one film serve every expert that uses them, and the fit of the reconciler's weights
reads the same evidence as the tables do.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from findings.errors import ExpertError
from findings.evidence import Evidence
from imaging.study import Study, StudyImage, View
from models.data.records import Split
from tools.contract import Expert, ExpertCard, ExpertContext, Role

Which = Literal["val", "all"]
"""The published validation rows, or all rows whatever their split column says."""


Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """Told how far a stage has come."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of the named stage are over."""


@dataclass(frozen=True)
class Film:
    """One radiograph on disk, with the view that its data set states."""

    image: Path
    view: View = View.UNKNOWN


class Readings:
    """The evidence of the experts under test, made on demand and kept.

    Several films are read at once, each by one thread of its own: for a whole set that takes half
    the time. How long one film takes on all cores is measured apart (`evaluation.experts.cost`).
    """

    def __init__(
        self,
        experts: Mapping[Role, Expert],
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> None:
        """``experts`` that are not installed are passed over; ``workers`` defaults to the cores."""
        self._experts = {role: expert for role, expert in experts.items() if expert.installed()}
        self._progress = progress
        self._workers = workers or os.cpu_count() or 1
        self._kept: dict[tuple[Role, Film], tuple[Evidence, ...]] = {}
        self._lock = threading.Lock()
        self.failures: Counter[Role] = Counter()
        """Films on which an expert could not do its work; they count as without evidence."""

    @property
    def experts(self) -> Mapping[Role, Expert]:
        """The installed experts by role."""
        return self._experts

    def installed(self, role: Role) -> bool:
        """Whether an expert plays this role."""
        return role in self._experts

    def card(self, role: Role) -> ExpertCard | None:
        """Who plays this role; None where nobody does."""
        return self._experts[role].card if role in self._experts else None

    def of(self, role: Role, film: Film) -> tuple[Evidence, ...]:
        """The expert's evidence on the film; nothing where it is not installed or failed.

        What it needs or uses of other experts is made first, as in a draft.
        """
        expert = self._experts.get(role)
        if expert is None:
            return ()
        key = (role, film)
        if key not in self._kept:
            self._look((role,), film)
        return self._kept[key]

    def prepare(self, roles: Sequence[Role], films: Sequence[Film]) -> None:
        """Read many films with many threads, telling the progress; `of` then answers at once."""
        wanted = [role for role in roles if role in self._experts]
        missing = [f for f in films if any((role, f) not in self._kept for role in wanted)]
        if missing:
            stage = ", ".join(role.value.replace("_", " ") for role in wanted)
            self.each(stage, lambda film: self._look(wanted, film), missing)

    def each(
        self, stage: str, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> list[Result]:
        """Do the same work on many items, several at once, telling the progress.

        Each worker is a thread whose networks use one core; results are in the items' order.
        """
        import torch

        results: list[Result] = []
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self._workers) as pool:
                for result in pool.map(work, items):
                    results.append(result)
                    self.tell(stage, len(results), len(items))
        finally:
            torch.set_num_threads(threads)
        return results

    def tell(self, stage: str, done: int, total: int) -> None:
        """Pass progress on to whoever asked for it."""
        if self._progress is not None:
            self._progress(stage, done, total)

    def _look(self, roles: Iterable[Role], film: Film) -> None:
        study: Study | None = None
        for role in with_needs(roles, self._experts):
            if (role, film) in self._kept:
                continue
            study = study or study_of(film)
            card = self._experts[role].card
            given = tuple(
                item
                for other in (*card.needs, *card.uses)
                for item in self._kept.get((other, film), ())
            )
            try:
                evidence = self._experts[role].run(study, ExpertContext(evidence=given))
            except ExpertError:
                evidence = ()
                with self._lock:
                    self.failures[role] += 1
            self._kept[role, film] = evidence


def study_of(film: Film) -> Study:
    """The film as a study of one image."""
    from models.preprocessing import read_display

    display = read_display(film.image)
    display.setflags(write=False)
    return Study(images=(StudyImage(display=display, view=film.view),), study_key="")


def view_of(text: str) -> View:
    """The view that a data set's column names."""
    return View(text) if text in (View.PA, View.AP) else View.UNKNOWN


def wanted(own: Split, which: Which) -> bool:
    """Whether rows of this split are measured on."""
    return which == "all" or own is Split.VAL


def with_needs(roles: Iterable[Role], experts: Mapping[Role, Expert]) -> list[Role]:
    """The installed ones of ``roles`` and of all that they need or use, each after its needs."""
    order: dict[Role, None] = {}
    entered: set[Role] = set()

    def add(role: Role) -> None:
        if role not in experts or role in entered:
            return
        entered.add(role)
        card = experts[role].card
        for other in (*card.needs, *card.uses):
            add(other)
        order[role] = None

    for role in roles:
        add(role)
    return list(order)
