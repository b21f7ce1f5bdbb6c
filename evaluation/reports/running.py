"""Let one writer report on many films in a process of its own: its memory and time are its own.

::

    python -m evaluation.reports.running < ORDER.json

Reports are kept in a file as they are written, so that a comparison that was cut off goes on.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from evaluation.reports.writers import Shelf, WriterName, make_writer
from findings.claims import Frozen
from findings.errors import ReadingRoomError


class Order(Frozen):
    """What a writing process is told."""

    writer: WriterName
    shelf: Shelf
    films: tuple[Path, ...]
    keep: Path
    warm_up: int = Field(default=1, ge=0)


class KeptReport(Frozen):
    """One line of the file: the film's name, its report, and the seconds it took."""

    film: str
    text: str
    seconds: float
    failed: bool = False


class WriterCost(Frozen):
    """What the process came to; the last line of the file."""

    trained: int
    peak_gigabytes: float = Field(description="peak resident memory, 2^30 bytes")


class Written(Frozen):
    """A writer's reports in the order of the films, and their cost; or why there are none."""

    reports: tuple[KeptReport, ...] = ()
    cost: WriterCost | None = None
    lacking: str = ""


def key_of(film: Path) -> str:
    """What a film is called in a kept file: nothing of its path is kept."""
    return hashlib.sha256(str(film.absolute()).encode()).hexdigest()[:16]


def run_writer(order: Order, told: Callable[[int], None] | None = None) -> Written:
    """Reports of all films, taken from the kept file as far as it goes."""
    kept = read_kept(order.keep)
    if not complete(kept, order.films):
        # A file for errors: a full pipe that nobody reads would halt the writer.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "evaluation.reports.running"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(order.model_dump_json())
            process.stdin.close()
            for count, _ in enumerate(process.stdout, start=1):
                if told is not None:
                    told(min(count, len(order.films)))
            if process.wait() != 0:
                errors.seek(0)
                said = errors.read().strip().splitlines()
                return Written(lacking=said[-1] if said else "its process ended without a word")
        kept = read_kept(order.keep)
    by_film = {report.film: report for report in kept.reports}
    return Written(reports=tuple(by_film[key_of(film)] for film in order.films), cost=kept.cost)


def read_kept(path: Path) -> Written:
    """What is kept of a writer so far; nothing where the file is not one."""
    reports: list[KeptReport] = []
    cost = None
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if '"trained"' in line:
                    cost = WriterCost.model_validate_json(line)
                else:
                    reports.append(KeptReport.model_validate_json(line))
            except ValidationError:
                continue  # cut off while it was written
    return Written(reports=tuple(reports), cost=cost)


def complete(kept: Written, films: Sequence[Path]) -> bool:
    """Whether every film has its report, and the cost is known."""
    known = {report.film for report in kept.reports}
    return kept.cost is not None and all(key_of(film) in known for film in films)


def write_all(order: Order) -> None:
    """Write the reports that are not kept yet; a film that cannot be read has an empty one."""
    from agents.settings import load_settings
    from evaluation.experts.cost import peak_gigabytes

    writer = make_writer(order.writer, order.shelf, load_settings())
    known = {report.film for report in read_kept(order.keep).reports}
    order.keep.parent.mkdir(parents=True, exist_ok=True)
    for film in order.films[: order.warm_up]:
        _timed(writer.write, film)
    with order.keep.open("a", encoding="utf-8") as file:
        file.write("\n")  # ends what a killed process may have left
        for film in order.films:
            if key_of(film) not in known:
                file.write(_timed(writer.write, film).model_dump_json() + "\n")
                file.flush()
            print(".", flush=True)
        cost = WriterCost(trained=writer.trained, peak_gigabytes=peak_gigabytes())
        file.write(cost.model_dump_json() + "\n")


def _timed(write: Callable[[Path], str], film: Path) -> KeptReport:
    started = time.perf_counter()
    try:
        text, failed = write(film), False
    except ReadingRoomError:
        text, failed = "", True
    return KeptReport(
        film=key_of(film), text=text, seconds=time.perf_counter() - started, failed=failed
    )


def main() -> None:
    """Write as the order on standard input says."""
    order = Order.model_validate_json(sys.stdin.read())
    try:
        write_all(order)
    except ReadingRoomError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
