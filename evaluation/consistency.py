"""Consistency evaluation: a language model compares a written report with its reference.

CLALA-Net, "Consistency evaluation": four scores from 1 to 5 - clinical accuracy, completeness of
findings, language, structure - and their total of 20. The paper's prompt (its appendix A3) is not
printed; the one in `evaluation/prompts/consistency.toml` follows the paper's description of the
four scores. A score depends on the model that gives it, so its name stands with every table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from agents.packaged import read_prompt
from agents.structured_answers import ask_for
from findings.claims import Frozen
from findings.errors import BackendError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

PROMPT: Final = "consistency.toml"
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


class ConsistencyEvaluation(Frozen):
    """Means over the reports that were graded."""

    judge: str
    prompt_version: str
    graded: int
    unanswered: int
    means: tuple[float, float, float, float]

    @property
    def total(self) -> float:
        """Mean total of 20."""
        return sum(self.means)

    def markdown(self) -> str:
        """The first rows of the paper's table 2, one column."""
        names = (
            "clinical accuracy",
            "findings completeness",
            "linguistic and grammatical quality",
            "report structure",
        )
        lines = [
            f"| graded 1-5 by {self.judge} (prompt {self.prompt_version}) | mean |",
            "|---|---|",
        ]
        lines += [f"| {name} | {mean:.2f} |" for name, mean in zip(names, self.means, strict=True)]
        lines.append(f"| **total of 20** | {self.total:.2f} |")
        lines.append(f"| reports graded / without answer | {self.graded} / {self.unanswered} |")
        return "\n".join(lines)


class ConsistencyPrompt(Frozen):
    """The prompt file."""

    version: str
    system: str
    max_tokens: int = Field(ge=1)
    seconds: float = Field(gt=0)

    def messages(self, written: str, reference: str) -> list[BaseMessage]:
        """The conversation that asks for one pair's scores."""
        from langchain_core.messages import HumanMessage, SystemMessage

        data = {"reference": reference[:_MOST_REPORT], "written": written[:_MOST_REPORT]}
        return [SystemMessage(self.system), HumanMessage(json.dumps(data, ensure_ascii=False))]


@cache
def load_consistency_prompt() -> ConsistencyPrompt:
    """The prompt in `evaluation/prompts`. Raises `SettingsError` where it is damaged."""
    return read_prompt(PROMPT, ConsistencyPrompt, "evaluation.prompts")


def grade(written: str, reference: str, chat: BaseChatModel) -> ConsistencyScore:
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
        seconds=prompt.seconds,
    )


def evaluate_consistency(
    written: Sequence[str],
    reference: Sequence[str],
    chat: BaseChatModel,
    judge: str,
    progress: Callable[[int, int], None] | None = None,
) -> ConsistencyEvaluation:
    """Grade every report; those without a usable answer are counted and left out.

    ``judge`` is the model's name, for the table.

    Raises:
        BackendError: no report at all could be graded.
        ValueError: the two are of different length.
    """
    pairs = list(zip(written, reference, strict=True))
    scores: list[ConsistencyScore] = []
    last: BackendError | None = None
    for number, (own, other) in enumerate(pairs):
        try:
            scores.append(grade(own, other, chat))
        except BackendError as error:
            last = error
        if progress is not None:
            progress(number + 1, len(pairs))
    if not scores:
        raise last or BackendError("There is no report to grade.")
    columns = list(zip(*(score.grades for score in scores), strict=True))
    means = [sum(column) / len(scores) for column in columns]
    return ConsistencyEvaluation(
        judge=judge,
        prompt_version=load_consistency_prompt().version,
        graded=len(scores),
        unanswered=len(pairs) - len(scores),
        means=(means[0], means[1], means[2], means[3]),
    )
