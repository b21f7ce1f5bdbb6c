"""Measures what neighbours share: `python -m retrieval.quality --index DIR --cache DIR`.

Every Open-i report that a librarian indexed with a finding is compared with its five nearest
reports, itself and reports in the same words excluded, by those MeSH terms, which neither the
labeler nor the encoder sees: the mean Jaccard index of the main headings. Ways to search: text
alone, profile alone and both; text by the plain mean of its sentence vectors; at random.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.errors import ReadingRoomError, WeightsError
from findings.labeler import label_report
from findings.vocabulary import Language
from retrieval.corpora.openi import ARCHIVE, read_openi
from retrieval.corpora.report import CorpusReport, fold, sentences
from retrieval.index import Query, ReportIndex
from retrieval.partition import TEXT, Partition
from retrieval.query import Hit
from retrieval.sources import CORPORA, find_corpora

_NEAREST: Final = 5
_UNINFORMATIVE: Final = frozenset(
    {"normal", "No Indexing", "Technical Quality of Image Unsatisfactory"}
)

Search = Callable[[CorpusReport], Sequence[str]]


def measure(folder: Path, cache: Path, limit: int | None = None) -> dict[str, float]:
    """Mean Jaccard index at five by way of searching. Raises `WeightsError` without corpora."""
    pulled = find_corpora(cache)
    if pulled is None:
        raise WeightsError(f"The corpora are absent. Run 'readingroom models pull {CORPORA}'.")
    partition = ReportIndex.open(folder, cache).partition(Language.ENGLISH)
    reports = {report.report_id: report for report in read_openi(pulled / ARCHIVE)}
    headings = {name: _headings(report) for name, report in reports.items()}
    asking = [report for name, report in reports.items() if headings[name]][:limit]
    everyone = sorted(reports)
    rng = np.random.default_rng(0)

    def found(report: CorpusReport, *, text: bool, claims: bool) -> list[str]:
        query = Query(
            text=report.text,
            language=Language.ENGLISH,
            exclude_report=report.report_id,
            k=2 * _NEAREST,
            floor=-1,
        )
        hits: tuple[Hit, ...] = partition.search(
            query,
            sentences(report.text) if text else (),
            label_report(report.text, Language.ENGLISH) if claims else (),
        )
        others = [hit.report_id for hit in hits if fold(hit.text) != fold(report.display)]
        return others[:_NEAREST]

    plain = {name: _plain_mean(partition, report) for name, report in reports.items()}
    table = np.stack([plain[name] for name in everyone])

    def nearest_by_plain_mean(report: CorpusReport) -> list[str]:
        order = np.argsort(-(table @ plain[report.report_id]))[: 20 * _NEAREST]
        same = fold(report.text)
        others = [everyone[place] for place in order if fold(reports[everyone[place]].text) != same]
        return others[:_NEAREST]

    ways: dict[str, Search] = {
        "text and profile": lambda report: found(report, text=True, claims=True),
        "text": lambda report: found(report, text=True, claims=False),
        "profile": lambda report: found(report, text=False, claims=True),
        "text, plain mean": nearest_by_plain_mean,
        "random": lambda _: [str(name) for name in rng.choice(everyone, _NEAREST)],
    }
    return {
        way: statistics.mean(
            statistics.mean(
                [_jaccard(headings[report.report_id], headings[other]) for other in nearest] or [0]
            )
            for report, nearest in ((report, search(report)) for report in asking)
        )
        for way, search in ways.items()
    }


def _plain_mean(partition: Partition, report: CorpusReport) -> NDArray[np.float32]:
    known = [partition.tables.sentence(sentence) for sentence in sentences(report.text)]
    vectors = [found[1] for found in known if found is not None]
    if not vectors:
        return np.zeros(partition.vectors(TEXT).row(0).shape, dtype=np.float32)
    mean = np.mean(vectors, axis=0)
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return unit


def _headings(report: CorpusReport) -> frozenset[str]:
    """Main headings: the part of a MeSH term before its first qualifier."""
    return frozenset(tag.split("/")[0].strip() for tag in report.tags) - _UNINFORMATIVE


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each way of searching."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.quality", description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="the folder of the index")
    parser.add_argument("--cache", type=Path, required=True, help="where pulled data lie")
    parser.add_argument("--limit", type=int, help="ask for so many reports only")
    options = parser.parse_args(arguments)
    try:
        figures = measure(options.index, options.cache, options.limit)
    except ReadingRoomError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    for way, share in figures.items():
        print(f"{way:18} {share:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
