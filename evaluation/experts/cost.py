"""What the experts cost: time an image on all cores, memory of the process, size of the weights.

Time and memory are measured in a process of its own that holds nothing else, warm, one image after
the other, with as many threads as there are cores. Bare time is that spent inside the networks'
own modules; the rest is preparation and turning outputs into evidence.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import Field

from evaluation.experts.lineup import Lineup
from evaluation.experts.readings import Film, Readings, Which, study_of, view_of, wanted, with_needs
from findings.claims import Frozen
from findings.errors import ExpertError
from findings.evidence import Evidence
from models.data.anatomy_sources import read_anatomy
from models.data.finding_sources import read_nih
from tools.contract import Expert, ExpertContext, Role

IMAGES = 40
"""Images that time is measured on, evenly picked."""
WARM_UP = 2


class WeightsSize(Frozen):
    """Size of a shipped network."""

    parameters: int
    megabytes: float = Field(description="of the weights file, in 10^6 bytes")


class ExpertCost(Frozen):
    """One expert's cost on one image."""

    role: Role
    name: str
    median_seconds: float
    slowest_twentieth: float = Field(description="95th percentile of seconds")
    bare_seconds: float = Field(description="median of the time inside the networks")
    size: WeightsSize | None


class CostReport(Frozen):
    """All installed experts on one image, one after the other."""

    images: int
    threads: int
    median_seconds: float
    slowest_twentieth: float
    bare_seconds: float
    peak_gigabytes: float = Field(description="peak resident memory of the process, 2^30 bytes")
    base_gigabytes: float = Field(description="of that, before any expert was loaded")
    experts: tuple[ExpertCost, ...]

    @property
    def over_bare(self) -> float:
        """How many times the networks' own time all takes."""
        return self.median_seconds / self.bare_seconds if self.bare_seconds else float("nan")

    def markdown(self) -> list[str]:
        """The cost as a table."""
        lines = [
            f"{self.images} images, warm, {self.threads} threads, one expert after the other.",
            "",
            "| expert | seconds (median) | 95 % | in the networks | parameters | MB |",
            "|---|---|---|---|---|---|",
        ]
        for item in self.experts:
            size = item.size
            shown = (f"{size.parameters:,}", f"{size.megabytes:.1f}") if size else ("none", "none")
            lines.append(
                f"| {item.role.value.replace('_', ' ')} | {item.median_seconds:.3f} "
                f"| {item.slowest_twentieth:.3f} | {item.bare_seconds:.3f} "
                f"| {shown[0]} | {shown[1]} |"
            )
        lines += [
            f"| together | {self.median_seconds:.3f} | {self.slowest_twentieth:.3f} "
            f"| {self.bare_seconds:.3f} | | |",
            "",
            f"{self.over_bare:.2f} times the networks' own time. Peak memory of the process "
            f"{self.peak_gigabytes:.2f} GiB, of which {self.base_gigabytes:.2f} GiB before any "
            "expert was loaded.",
        ]
        return lines


class _Order(Frozen):
    """What the measuring process is told."""

    lineup: Lineup
    films: tuple[tuple[Path, str], ...]
    threads: int


def measure_cost(
    data: Path,
    split: Which,
    lineup: Lineup,
    readings: Readings,
    images: int = IMAGES,
    threads: int = 0,
) -> CostReport | None:
    """Measure the installed experts on films of ``data``; None where there is no film.

    ``threads`` 0 means as many as there are cores.

    Raises:
        ExpertError: the measuring process ended without an answer.
    """
    films = _some_films(data, split, images)
    installed = tuple(role for role in lineup.roles if readings.installed(role))
    if not films or not installed:
        return None
    order = _Order(
        lineup=lineup.model_copy(update={"roles": installed}),
        films=tuple((film.image, film.view.value) for film in films),
        threads=threads,
    )
    readings.tell("cost", 0, 1)
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.experts.cost"],
        input=order.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    readings.tell("cost", 1, 1)
    if done.returncode != 0:
        raise ExpertError(
            "The experts could not be run in a process of their own, so their cost is not known. "
            "Run 'readingroom doctor' to see what is missing."
        )
    return CostReport.model_validate_json(done.stdout.splitlines()[-1])


def weights_size(expert: Expert) -> WeightsSize | None:
    """Parameters and file size of a shipped network; None for rules and for other networks."""
    from models.weights import SHIPPED_DIR

    folder = getattr(expert, "folder", None)
    path = SHIPPED_DIR / folder / "model.safetensors" if isinstance(folder, str) else None
    if path is None or not path.is_file():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        counts = [
            int(np.prod(weights.get_slice(name).get_shape(), dtype=np.int64))
            for name in weights.keys()  # noqa: SIM118  (safe_open is no mapping)
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        ]
    return WeightsSize(parameters=sum(counts), megabytes=path.stat().st_size / 1e6)


class BareTime:
    """Sums the time spent inside the outermost network modules of this thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._local = threading.local()

    @contextmanager
    def counting(self) -> Iterator[BareTime]:
        """Count from here to the end of the block."""
        from torch.nn.modules import module

        before = module.register_module_forward_pre_hook(self._enter)
        after = module.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield self
        finally:
            before.remove()
            after.remove()

    def _enter(self, *_: object) -> None:
        depth = getattr(self._local, "depth", 0)
        if depth == 0:
            self._local.began = time.perf_counter()
        self._local.depth = depth + 1

    def _leave(self, *_: object) -> None:
        self._local.depth -= 1
        if self._local.depth == 0:
            self.seconds += time.perf_counter() - self._local.began


def run_in_turn(experts: Mapping[Role, Expert], films: Sequence[Film]) -> CostReport:
    """Every expert on every film in this process, one after the other, after a warm-up."""
    import torch

    base = peak_gigabytes()
    order = with_needs(experts, experts)
    rows: list[dict[Role, tuple[float, float]]] = []
    for number, film in enumerate([*[films[0]] * WARM_UP, *films] if films else []):
        study = study_of(film)
        made: dict[Role, tuple[Evidence, ...]] = {}
        row: dict[Role, tuple[float, float]] = {}
        for role in order:
            card = experts[role].card
            given = tuple(i for r in (*card.needs, *card.uses) for i in made.get(r, ()))
            bare = BareTime()
            with bare.counting():
                began = time.perf_counter()
                try:
                    made[role] = experts[role].run(study, ExpertContext(evidence=given))
                except ExpertError:
                    made[role] = ()
                row[role] = (time.perf_counter() - began, bare.seconds)
        if number >= WARM_UP:
            rows.append(row)
    whole = np.array([sum(seconds for seconds, _ in row.values()) for row in rows])
    inside = np.array([sum(seconds for _, seconds in row.values()) for row in rows])
    return CostReport(
        images=len(rows),
        threads=torch.get_num_threads(),
        median_seconds=float(np.median(whole)),
        slowest_twentieth=float(np.percentile(whole, 95)),
        bare_seconds=float(np.median(inside)),
        peak_gigabytes=peak_gigabytes(),
        base_gigabytes=base,
        experts=tuple(
            ExpertCost(
                role=role,
                name=experts[role].card.name,
                median_seconds=float(np.median([row[role][0] for row in rows])),
                slowest_twentieth=float(np.percentile([row[role][0] for row in rows], 95)),
                bare_seconds=float(np.median([row[role][1] for row in rows])),
                size=weights_size(experts[role]),
            )
            for role in order
        ),
    )


def _some_films(data: Path, split: Which, most: int) -> list[Film]:
    nih = [r for r in read_nih(data) if wanted(r.split, split)]
    films = [Film(record.image, view_of(record.view)) for record in nih]
    if not films:
        films = [Film(r.image) for r in read_anatomy(data) if wanted(r.split, split)]
    if len(films) <= most:
        return films
    return [films[int(index)] for index in np.linspace(0, len(films) - 1, most)]


def peak_gigabytes() -> float:
    """Peak resident memory of this process so far."""
    import resource

    status = Path("/proc/self/status")
    if status.is_file():
        # Linux hands the parent's peak down to rusage; this one begins anew with the program.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def main() -> None:
    """Measure as the order on standard input says; prints the report as one line of JSON."""
    import torch

    order = _Order.model_validate_json(sys.stdin.read())
    if order.threads > 0:
        torch.set_num_threads(order.threads)
    films = [Film(image, view_of(view)) for image, view in order.films]
    print(run_in_turn(order.lineup.build(), films).model_dump_json())


if __name__ == "__main__":
    main()
