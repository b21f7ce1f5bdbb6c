"""Consistency evaluation: a language model compares written reports with their references.

CLALA-Net, "Consistency evaluation": four grades from 1 to 5 - clinical accuracy, completeness of
findings, language, structure - and their total of 20. The paper's prompt (its appendix A3) is not
printed; the one in `evaluation/prompts/consistency.toml` follows the paper's description of the
four grades. A grade depends on the model that gives it, so its name stands with every table.

The reports are those that `readingroom evaluate reports --reports DIR` kept. Grades are kept beside
them as they come, so that an evaluation that was cut off goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, ValidationError

from agents.judging import Judge
from agents.packaged import read_prompt
from agents.structured_answers import ANSWER_SECONDS, ask_for
from evaluation.bootstrap import Estimate, mean_estimate
from evaluation.reports.cases import CaseSplit, read_split
from evaluation.reports.running import key_of, read_kept
from evaluation.reports.writers import TITLES, WriterName
from findings.claims import Frozen
from findings.errors import BackendError, StudyError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from evaluation.experts.readings import Progress

PROMPT: Final = "consistency.toml"
COLUMNS: Final = (
    "clinical accuracy",
    "findings completeness",
    "linguistic and grammatical quality",
    "report structure",
)
PUBLISHED: Final = (3.14, 2.98, 4.36, 3.83, 14.32)
"""CLALA-Net's own, on MIMIC-CXR by another judge (table 2): the four grades and their total."""
_MOST_REPORT: Final = 8_000

Grade = Annotated[int, Field(ge=1, le=5)]


class ConsistencyScore(Frozen):
    """One report's scores; each reason comes first, so that the model thinks before it grades."""

    accuracy_reason: str = Field(max_length=400)
    clinical_accuracy: Grade
    completeness_reason: str = Field(max_length=400)
    findings_completeness: Grade
    language_reason: str = Field(max_length=400)
    language_quality: Grade
    structure_reason: str = Field(max_length=400)
    report_structure: Grade

    @property
    def total(self) -> int:
        """Of 20, as the paper's table 2 prints it."""
        return sum(self.grades)

    @property
    def grades(self) -> tuple[int, int, int, int]:
        """The four in the paper's order."""
        return (
            self.clinical_accuracy,
            self.findings_completeness,
            self.language_quality,
            self.report_structure,
        )


class KeptGrade(Frozen):
    """One line of the file of grades."""

    question: str
    """What was asked, of whom: over judge, prompt and both reports."""
    score: ConsistencyScore


class WriterConsistency(Frozen):
    """One writer's grades."""

    writer: WriterName
    graded: int
    unanswered: int
    """Reports to which the judge gave no usable answer."""
    empty: int
    """Films of which no report was kept, or a blank one; they are not graded."""
    means: tuple[Estimate, Estimate, Estimate, Estimate]
    total: Estimate


class Consistency(Frozen):
    """Every writer's grades by one judge."""

    judge: str
    prompt_version: str
    dataset: str
    weak: bool
    films: int
    rows: tuple[WriterConsistency, ...]

    def markdown(self) -> list[str]:
        """The first rows of the paper's table 2, a line for each writer."""
        kind = (
            "references composed for labels (weak pairs): not comparable with the paper"
            if self.weak
            else "references written by people"
        )
        lines = [
            f"{self.films} films of {self.dataset}; {kind}. Graded 1 to 5 by {self.judge} "
            f"(prompt {self.prompt_version}); grades of other judges do not compare.",
            "",
            f"| writer | {' | '.join(COLUMNS)} | total of 20 | graded | no usable answer "
            "| no report |",
            "|---" * 9 + "|",
        ]
        for row in self.rows:
            means = " | ".join(mean.shown(2) for mean in row.means)
            lines.append(
                f"| {TITLES[row.writer]} | {means} | {row.total.shown(2)} | {row.graded} "
                f"| {row.unanswered} | {row.empty} |"
            )
        paper = " | ".join(f"{figure:.2f}" for figure in PUBLISHED)
        lines.append(f"| *CLALA-Net, as published: MIMIC-CXR, another judge* | {paper} | | | |")
        return lines


class ConsistencyPrompt(Frozen):
    """The prompt file."""

    version: str
    system: str
    max_tokens: int = Field(ge=1)

    def messages(self, written: str, reference: str) -> list[BaseMessage]:
        """The conversation that asks for one pair's scores."""
        from langchain_core.messages import HumanMessage, SystemMessage

        data = {"reference": reference[:_MOST_REPORT], "written": written[:_MOST_REPORT]}
        return [SystemMessage(self.system), HumanMessage(json.dumps(data, ensure_ascii=False))]


@cache
def load_consistency_prompt() -> ConsistencyPrompt:
    """The prompt in `evaluation/prompts`. Raises `SettingsError` where it is damaged."""
    return read_prompt(PROMPT, ConsistencyPrompt, "evaluation.prompts")


def grade(
    written: str, reference: str, chat: BaseChatModel, seconds: float = ANSWER_SECONDS
) -> ConsistencyScore:
    """Ask a chat model for the four scores of one report.

    Raises:
        BackendError: the model gave no answer, or one of another form.
    """
    prompt = load_consistency_prompt()
    return ask_for(
        chat,
        prompt.messages(written, reference),
        ConsistencyScore,
        max_tokens=prompt.max_tokens,
        seconds=seconds,
    )


def evaluate_consistency(
    data: Path,
    kept: Path,
    writers: Sequence[WriterName],
    judge: Judge,
    cache: Path,
    *,
    every: bool = False,
    most: int = 0,
    progress: Progress | None = None,
) -> Consistency:
    """Grade the kept reports of each writer that has some.

    Args:
        data: what the reports were written of, as `evaluate reports` was told.
        kept: the folder in which it kept them.
        writers: whose; those without kept reports are left out.
        judge: who grades.
        cache: where the report corpora were pulled to.
        every: reports of every part of the data set, not its test or validation part alone.
        most: at most so many films, evenly picked; 0 is all.

    Raises:
        StudyError: no report of these films is kept there.
        BackendError: no report at all could be graded.
    """
    present = [name for name in writers if (kept / f"{name}.jsonl").is_file()]
    split = read_split(data, cache, every, kept / "cache").first(most) if present else None
    rows = [
        row
        for name in present
        if split is not None and (row := _graded(name, split, kept, judge, progress)) is not None
    ]
    if split is None or not rows:
        raise StudyError(
            "The folder holds no reports of these films: run 'readingroom evaluate reports' with "
            "--reports and the same data first."
        )
    return Consistency(
        judge=judge.name,
        prompt_version=load_consistency_prompt().version,
        dataset=split.dataset,
        weak=split.weak,
        films=len(split.compared),
        rows=tuple(rows),
    )


def _graded(
    name: WriterName, split: CaseSplit, kept: Path, judge: Judge, progress: Progress | None
) -> WriterConsistency | None:
    """One writer's row; None where none of its reports is of these films."""
    texts = {report.film: report.text for report in read_kept(kept / f"{name}.jsonl").reports}
    pairs = [
        (texts[key_of(case.image)], case.reference)
        for case in split.compared
        if texts.get(key_of(case.image), "").strip()
    ]
    if not pairs:
        return None
    file = kept / f"{name}.consistency.jsonl"
    known = _read_grades(file)
    scores: list[ConsistencyScore] = []
    patients: list[str] = []
    last: BackendError | None = None
    with file.open("a", encoding="utf-8") as lines:
        lines.write("\n")  # ends what a killed process may have left
        for number, (written, reference) in enumerate(pairs):
            own, other = judge.told(written), judge.told(reference.text)
            question = _question(judge.name, own, other)
            try:
                score = known.get(question) or grade(own, other, judge.chat, judge.seconds)
            except BackendError as error:
                last = error
            else:
                if question not in known:
                    line = KeptGrade(question=question, score=score)
                    lines.write(line.model_dump_json() + "\n")
                    lines.flush()
                scores.append(score)
                patients.append(reference.patient)
            if progress is not None:
                progress(name.value, number + 1, len(pairs))
    if last is not None and not scores:
        raise last
    columns = [[float(score.grades[place]) for score in scores] for place in range(len(COLUMNS))]
    first, second, third, fourth = (mean_estimate(column, patients) for column in columns)
    return WriterConsistency(
        writer=name,
        graded=len(scores),
        unanswered=len(pairs) - len(scores),
        empty=len(split.compared) - len(pairs),
        means=(first, second, third, fourth),
        total=mean_estimate([float(score.total) for score in scores], patients),
    )


def _question(judge: str, written: str, reference: str) -> str:
    parts = (judge, load_consistency_prompt().system, written, reference)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _read_grades(file: Path) -> dict[str, ConsistencyScore]:
    found: dict[str, ConsistencyScore] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                kept = KeptGrade.model_validate_json(line)
            except ValidationError:
                continue  # blank, or cut off while it was written
            found[kept.question] = kept.score
    return found
