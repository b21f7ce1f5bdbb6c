"""The comparison: every writer on the same radiographs, one table."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import Field

from evaluation.bootstrap import Estimate
from evaluation.experts.readings import Progress
from evaluation.reports.bert_score import ENCODER, BertScorer
from evaluation.reports.cases import CaseSplit, read_split
from evaluation.reports.pairs import ReportPair
from evaluation.reports.published import published_table
from evaluation.reports.running import Order, WriterCost, Written, run_writer
from evaluation.reports.score import NOTHING_MORE, Metrics, ReportScore, score_reports
from evaluation.reports.writers import TITLES, Shelf, WriterName
from findings.claims import Frozen
from findings.errors import WeightsError
from findings.vocabulary import Language

WEAK = (
    "The references are **weak pairs**: sentences of other people's reports, put together for each "
    "film's labels, which a program read from reports that nobody gives out. The figures compare "
    "the writers with one another and **do not compare with the papers'**, which are of true "
    "reports. The labels err in about one of ten cases. A statement has one wording in all "
    "references, so that overlap of words favours writers that were taught or hand on these very "
    "sentences (report models, generator, nearest film, constant report) over those with words of "
    "their own."
)
TRUE = "The references are the reports that were written of these studies."


class WriterScore(Frozen):
    """One writer: its figures, or why it has none."""

    writer: WriterName
    lacking: str = ""
    score: ReportScore | None = None
    cost: WriterCost | None = None
    median_seconds: float | None = None
    empty: int = Field(default=0, description="films without a report: refused or failed")


class Comparison(Frozen):
    """Every writer on the same radiographs."""

    dataset: str
    weak: bool
    language: Language
    films: int
    patients: int
    encoder: str = Field(default="", description="of BERTScore; blank: none was at hand")
    rows: tuple[WriterScore, ...]

    def tables(self) -> dict[str, list[str]]:
        """The tables under short names, to refresh a page with."""
        return {
            "report-models": self._overview(),
            "report-models-claims": self._claims(),
            "report-models-lesions": self._lesions(),
        }

    def markdown(self) -> str:
        """All of it."""
        tables = self.tables()
        return "\n".join(
            (
                *tables["report-models"],
                "",
                "## What the reports claim",
                "",
                *tables["report-models-claims"],
                "",
                "## Lesions, F1",
                "",
                *tables["report-models-lesions"],
            )
        )

    def _overview(self) -> list[str]:
        encoder = f"BERTScore is F1 by {self.encoder}." if self.encoder else "No BERTScore."
        further = sorted({name for row in self._scored() for name in _further(row)})
        lines = [
            f"{self.films} films of {self.patients} patients ({self.dataset}, "
            f"{self.language.value}). {WEAK if self.weak else TRUE}",
            "",
            "METEOR has the exact and stem modules, 2007 parameters. " + encoder + " Seconds are "
            "the median of one film after the other on this machine; memory is the peak of the "
            "writer's own process.",
            "",
            "| writer | BLEU-1 | BLEU-2 | BLEU-3 | BLEU-4 | ROUGE-L | METEOR | CIDEr "
            "| BERTScore | "
            + "".join(f"{name} | " for name in further)
            + "different reports | seconds | trained parameters | peak GiB |",
            "|---" * (13 + len(further)) + "|",
        ]
        for row in self.rows:
            if row.score is None:
                lines.append(f"| {TITLES[row.writer]} | not run: {row.lacking} |")
                continue
            own = row.score.overlap
            figures = [
                *(_short(value) for value in own.bleu),
                own.rouge_l.shown(),
                own.meteor.shown(),
                own.cider.shown(),
                _short(own.bert_score),
                *(f"{_further(row).get(name, float('nan')):.3f}" for name in further),
                str(row.score.distinct),
                "n/a" if row.median_seconds is None else f"{row.median_seconds:.2f}",
                f"{row.cost.trained:,}" if row.cost and row.cost.trained else "none of its own",
                f"{row.cost.peak_gigabytes:.2f}" if row.cost else "n/a",
            ]
            lines.append(f"| {TITLES[row.writer]} | {' | '.join(figures)} |")
        published = published_table(self.dataset)
        return [*lines, "", *published] if published else lines

    def _claims(self) -> list[str]:
        lines = [
            "Clinical efficacy by this project's labeler, not CheXbert. Findings that the source "
            "never judges are left out. Unsupported: share of the affirmations that the reference "
            "does not make; wrong side: of those whose side the reference gives.",
            "",
            "| writer | CE-14 P / R / F1, micro | CE-14 P / R / F1, macro "
            "| CE-5 P / R / F1, micro | CE-5 F1, macro | contradicts itself | unsupported "
            "| wrong side | repeated sentences | no report |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for row in self._scored():
            assert row.score is not None
            whole, five, faith = row.score.chexpert, row.score.five, row.score.faithfulness
            figures = [
                f"{_short(whole.micro_precision)} / {_short(whole.micro_recall)} / "
                f"{whole.micro_f1.shown()}",
                f"{_short(whole.macro_precision)} / {_short(whole.macro_recall)} / "
                f"{whole.macro_f1.shown()}",
                f"{_short(five.micro_precision)} / {_short(five.micro_recall)} / "
                f"{five.micro_f1.shown()}",
                five.macro_f1.shown(),
                _percent(faith.contradicting),
                f"{_percent(faith.unsupported)} of {faith.affirmations}",
                f"{_percent(faith.wrong_side)} of {faith.sided}",
                _percent(faith.repeated),
                str(row.empty),
            ]
            lines.append(f"| {TITLES[row.writer]} | {' | '.join(figures)} |")
        return lines

    def _lesions(self) -> list[str]:
        rows = self._scored()
        first = rows[0].score if rows else None
        if first is None:
            return []
        lines = [
            "| lesion | in references | " + " | ".join(TITLES[row.writer] for row in rows) + " |",
            "|---" * (2 + len(rows)) + "|",
        ]
        for place, lesion in enumerate(first.lesions):
            f1 = [row.score.lesions[place].f1 for row in rows if row.score is not None]
            shown = " | ".join("n/a" if value is None else f"{value:.3f}" for value in f1)
            name = lesion.finding.value.replace("_", " ")
            lines.append(f"| {name} | {lesion.positives} | {shown} |")
        means = [_mean_f1(row.score) for row in rows if row.score is not None]
        lines.append("| mean | | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
        return lines

    def _scored(self) -> list[WriterScore]:
        return [row for row in self.rows if row.score is not None]


def compare_reports(
    data: Path,
    writers: Sequence[WriterName],
    cache: Path,
    *,
    every: bool = False,
    most: int = 0,
    weights: Path | None = None,
    keep: Path | None = None,
    encoder: Path | None = None,
    wanted: Metrics = NOTHING_MORE,
    progress: Progress | None = None,
) -> Comparison:
    """Let each writer report on the same films, one process each, and score them.

    Args:
        data: a data set with reports, or a folder laid out as the project's data.
        cache: where pulled weights live.
        every: take every part of the data set, not its test or validation part alone.
        most: at most so many films, evenly picked; 0 is all.
        weights: folder with a folder of weights for each report model.
        keep: folder for the reports; a comparison that finds them there goes on from them.
        encoder: folder of BERTScore's encoder; else the pulled one, where it is there.
        wanted: further metrics.

    Raises:
        StudyError: there is nothing to compare on.
        UserInputError: the folder is no data set that is known.
        WeightsError: the report corpora or the encoder are missing.
        ResourceError: a further metric cannot run here.
    """
    scorer = _scorer(encoder, cache)
    with ExitStack() as stack:
        home = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        split = read_split(data, cache, every, home / "cache").first(most)
        rows = tuple(
            _score(name, split, weights, home, scorer, wanted, progress) for name in writers
        )
    return Comparison(
        dataset=split.dataset,
        weak=split.weak,
        language=split.language,
        films=len(split.compared),
        patients=len({case.reference.patient for case in split.compared}),
        encoder=scorer.name if scorer else "",
        rows=rows,
    )


def _score(
    name: WriterName,
    split: CaseSplit,
    weights: Path | None,
    home: Path,
    scorer: BertScorer | None,
    wanted: Metrics,
    progress: Progress | None,
) -> WriterScore:
    nearest = name is WriterName.NEAREST
    films = tuple(case.image for case in split.compared)
    order = Order(
        writer=name,
        shelf=Shelf(
            language=split.language,
            normal=split.normal,
            films=split.films if nearest else (),
            reports=split.reports if nearest else (),
            seen=(home / "cache").absolute(),
            weights=weights.absolute() if weights else None,
        ),
        films=films,
        keep=home / f"{name}.jsonl",
    )
    told = None if progress is None else lambda done: progress(name.value, done, len(films))
    written = run_writer(order, told)
    if written.lacking:
        return WriterScore(writer=name, lacking=written.lacking)
    return _scored(name, split, written, scorer, wanted)


def _scored(
    name: WriterName,
    split: CaseSplit,
    written: Written,
    scorer: BertScorer | None,
    wanted: Metrics,
) -> WriterScore:
    pairs = [
        ReportPair(report.text, case.reference, split.language)
        for report, case in zip(written.reports, split.compared, strict=True)
    ]
    return WriterScore(
        writer=name,
        score=score_reports(pairs, scorer, wanted),
        cost=written.cost,
        median_seconds=statistics.median(report.seconds for report in written.reports),
        empty=sum(not report.text for report in written.reports),
    )


def _scorer(encoder: Path | None, cache: Path) -> BertScorer | None:
    from models.weights import locate

    if encoder is not None:
        return BertScorer(encoder)
    try:
        return BertScorer(locate(ENCODER, cache), ENCODER)
    except WeightsError:
        return None


def _further(row: WriterScore) -> dict[str, float]:
    """The figures that need something more: METEOR 1.5 and those of RadEval."""
    if row.score is None:
        return {}
    own = row.score.overlap.meteor_1_5
    java = {} if own is None or own.value is None else {"METEOR 1.5": own.value}
    return java | row.score.field


def _short(value: Estimate | None) -> str:
    return "" if value is None else "n/a" if value.value is None else f"{value.value:.3f}"


def _percent(value: Estimate) -> str:
    return "n/a" if value.value is None else f"{value.value:.1%}"


def _mean_f1(score: ReportScore) -> float:
    """Over the lesions that occur; one that is never called has 0."""
    found = [row.f1 or 0.0 for row in score.lesions if row.positives]
    return sum(found) / len(found) if found else float("nan")
