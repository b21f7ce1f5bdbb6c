"""Measures the index: `python -m retrieval.benchmark --index DIR --cache DIR [--generated N]`.

Queries are reports of the index itself with their own examinations excluded: English ones by their
text, Spanish ones by their claims. Recall is against exhaustive search of the same vectors. With
`--generated`, vectors are made up to so many (reports of the index, jittered) and only the vector
search is measured, to see how it grows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from findings.claims import Frozen
from findings.errors import ReadingRoomError
from findings.vocabulary import Language
from retrieval.corpora.report import sentences
from retrieval.index import Query, ReportIndex
from retrieval.partition import PROFILE, TEXT, Partition
from retrieval.sources import find_encoder
from retrieval.vectors import VectorSet, write_vectors

_WARM_UP = 20


class Latency(Frozen):
    """Milliseconds of one kind of call, warm."""

    p50: float
    p99: float
    calls: int


class LanguageFigures(Frozen):
    """What was measured on one language's reports."""

    language: Language
    reports: int
    distinct: int
    known_query: Latency
    """Search by claims or text whose sentences the index holds: no encoder runs."""
    new_query: Latency
    """English: search by one sentence that the index does not hold, encoded on one thread.
    Spanish: search by a report's text, read by the labeler."""
    recall_text: float
    recall_profile: float
    recall_hits: float


class GeneratedFigures(Frozen):
    """Vector search over made vectors."""

    vectors: int
    build_seconds: float
    load_milliseconds: float
    search: Latency
    recall: float


class Figures(Frozen):
    """Everything that one run measured."""

    load_milliseconds: float
    languages: tuple[LanguageFigures, ...]
    generated: tuple[GeneratedFigures, ...] = ()


def measure(folder: Path, cache: Path, queries: int, generated: Sequence[int]) -> Figures:
    """Run every measurement. Raises `IndexUnavailableError` where there is no index."""
    encoder = find_encoder(cache, threads=1)
    loads = []
    for _ in range(5):
        start = time.perf_counter()
        reports = ReportIndex.open(folder, encoder=encoder)
        loads.append(time.perf_counter() - start)
    return Figures(
        load_milliseconds=1000 * statistics.median(loads),
        languages=tuple(
            _measure_language(reports, one.language, queries) for one in reports.info().languages
        ),
        generated=tuple(_measure_generated(reports, count, queries) for count in generated),
    )


def _measure_language(reports: ReportIndex, language: Language, queries: int) -> LanguageFigures:
    partition = reports.partition(language)
    rng = np.random.default_rng(0)
    entries = [int(entry) for entry in rng.integers(0, partition.manifest.entries, queries)]
    asked = [_query(partition, entry) for entry in entries]
    exact = [query.model_copy(update={"exact": True}) for query in asked]
    overlap = [
        _overlap(
            [hit.report_id for hit in reports.search(query)],
            [hit.report_id for hit in reports.search(thorough)],
        )
        for query, thorough in zip(asked, exact, strict=True)
    ]
    worded = [
        _in_new_words(partition, entry, query) for entry, query in zip(entries, asked, strict=True)
    ]
    return LanguageFigures(
        language=language,
        reports=partition.manifest.reports,
        distinct=partition.manifest.entries,
        known_query=_latency([partial(reports.search, query) for query in asked]),
        new_query=_latency([partial(reports.search, query) for query in worded]),
        recall_text=_recall(partition.vectors(TEXT), entries),
        recall_profile=_recall(partition.vectors(PROFILE), entries),
        recall_hits=statistics.mean(overlap),
    )


def _query(partition: Partition, entry: int) -> Query:
    stored = partition.tables.report(entry)
    itself = partition.tables.member(entry, None, None, None)
    prose = partition.manifest.form == "prose"
    return Query(
        text=stored.display if prose else None,
        claims=None if prose else stored.claims,
        language=partition.manifest.language,
        exclude_report=itself,
        k=10,
        floor=-1,
    )


def _in_new_words(partition: Partition, entry: int, query: Query) -> Query:
    """A question in words that the index does not hold."""
    text = partition.tables.report(entry).display
    if partition.manifest.form == "prose":
        # A word that no report has makes the sentence new.
        text = f"{sentences(text)[0].rstrip('.')} zzz."
    return query.model_copy(update={"text": text, "claims": None})


def _recall(vectors: VectorSet, entries: Sequence[int]) -> float:
    """Share of the ten nearest distinct vectors that the index finds; ties count as found."""
    shares = []
    for entry in entries:
        query = vectors.vector(entry)
        found = vectors.nearest_rows(query, 10)
        truth = vectors.nearest_rows(query, 10, exact=True)
        least = float(vectors.row(int(truth[-1])) @ query) - 1e-6
        good = sum(float(vectors.row(int(row)) @ query) >= least for row in found)
        shares.append(good / len(truth))
    return statistics.mean(shares)


def _overlap(found: list[str], truth: list[str]) -> float:
    return len(set(found) & set(truth)) / len(truth) if truth else 1.0


def _latency(calls: Sequence[Callable[[], object]]) -> Latency:
    for call in calls[:_WARM_UP]:
        call()
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return Latency(
        p50=float(np.percentile(times, 50)), p99=float(np.percentile(times, 99)), calls=len(times)
    )


def _measure_generated(reports: ReportIndex, count: int, queries: int) -> GeneratedFigures:
    """Real text vectors, each repeated with a jitter of half its distance to a neighbour."""
    source = np.concatenate(
        [
            reports.partition(one.language).vectors(TEXT).all_rows()
            for one in reports.info().languages
        ]
    )
    rng = np.random.default_rng(1)
    dimension = source.shape[1]
    made = np.empty((count, dimension), dtype=np.float32)
    for start in range(0, count, 50_000):
        rows = source[rng.integers(0, len(source), min(50_000, count - start))]
        jitter = rng.normal(scale=0.3 / np.sqrt(dimension), size=rows.shape).astype(np.float32)
        mixed = rows + jitter
        made[start : start + len(rows)] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start_time = time.perf_counter()
        write_vectors(folder, TEXT, made)
        built = time.perf_counter() - start_time
        start_time = time.perf_counter()
        opened = VectorSet(folder, TEXT)
        loaded = 1000 * (time.perf_counter() - start_time)
        asked = [int(entry) for entry in rng.integers(0, count, queries)]
        search = _latency([partial(opened.nearest, made[entry], 60) for entry in asked])
        recall = _recall(opened, asked[:200])
    return GeneratedFigures(
        vectors=count,
        build_seconds=built,
        load_milliseconds=loaded,
        search=search,
        recall=recall,
    )


def table(figures: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        f"Opening the index: {figures.load_milliseconds:.0f} ms (median of 5).",
        "",
        "| reports | distinct | query | p50 ms | p99 ms | recall@10 text / profile / hits |",
        "|---|---|---|---|---|---|",
    ]
    for one in figures.languages:
        recall = f"{one.recall_text:.3f} / {one.recall_profile:.3f} / {one.recall_hits:.3f}"
        for name, latency in (("search only", one.known_query), ("with new text", one.new_query)):
            lines.append(
                f"| {one.language.value}: {one.reports:,} | {one.distinct:,} | {name} | "
                f"{latency.p50:.1f} | {latency.p99:.1f} | {recall} |"
            )
    if figures.generated:
        lines += [
            "",
            "| generated vectors | build s | open ms | p50 ms | p99 ms | recall@10 |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {g.vectors:,} | {g.build_seconds:.0f} | {g.load_milliseconds:.0f} | "
            f"{g.search.p50:.2f} | {g.search.p99:.2f} | {g.recall:.3f} |"
            for g in figures.generated
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or JSON; one line and exit code 5 where there is no index."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.benchmark", description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="the folder of the index")
    parser.add_argument("--cache", type=Path, required=True, help="where pulled weights lie")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--generated", type=int, nargs="*", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        figures = measure(options.index, options.cache, options.queries, options.generated)
    except ReadingRoomError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(figures.model_dump(mode="json"), indent=1) if options.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
