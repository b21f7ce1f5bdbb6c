"""Prompts: read from versioned data, filled with one task."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from agents.aggregator.contract import ReportTask, RewordingTask
from agents.aggregator.report import report_schema
from agents.packaged import read_prompt
from findings.claims import Frozen
from findings.vocabulary import Language

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

EMBEDDED_PROMPT: Final = "reword_embedded.toml"
SERVED_PROMPT: Final = "reword_served.toml"
REPORT_PROMPT: Final = "write_report.toml"
READING_PROMPT: Final = "read_claims.toml"


class RewordingPrompt(Frozen):
    """One prompt file."""

    version: str
    languages: tuple[Language, ...]
    system: str
    max_tokens: int = Field(ge=1)
    max_characters: int = Field(ge=1)
    max_sentences: int = Field(ge=0)
    style: bool = False
    """Whether the model is shown how similar reports word the finding."""
    examples: dict[str, tuple[tuple[str, str], ...]] = Field(default_factory=dict)
    """Pairs of sentence and rewording by the shape of the task, for a model that follows examples;
    empty: the model is given the facts and, at a second try, what was wrong."""

    def messages(self, task: RewordingTask) -> list[BaseMessage]:
        """The conversation that asks for one rewording."""
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(self.system)]
        if self.examples:
            for sentence, rewording in _turned(self.examples.get(task.shape, ()), task.tries):
                messages += [HumanMessage(sentence), AIMessage(json.dumps({"text": rewording}))]
            return [*messages, HumanMessage(task.sentence)]
        messages.append(HumanMessage(self._data(task)))
        if task.rejected is not None:
            rejected = json.dumps({"text": task.rejected}, ensure_ascii=False)
            messages += [AIMessage(rejected), HumanMessage(task.complaint or "That is not right.")]
        return messages

    def _data(self, task: RewordingTask) -> str:
        data: dict[str, Any] = {
            "sentence": task.sentence,
            "facts": task.facts,
            "language": task.language.value,
        }
        if self.style and task.style:
            data["wording"] = task.style
        return json.dumps(data, ensure_ascii=False)

    def response_format(self) -> dict[str, Any]:
        """The schema that the answer is held to: one string."""
        text = {"type": "string", "minLength": 1, "maxLength": self.max_characters}
        return _response_format(
            "rewording",
            {
                "type": "object",
                "properties": {"text": text},
                "required": ["text"],
                "additionalProperties": False,
            },
        )


class ReportPrompt(Frozen):
    """The prompt file of the whole-report form."""

    version: str
    languages: tuple[Language, ...]
    system: str
    max_tokens: int = Field(ge=1)
    style: bool = False
    """Whether the model is shown how similar reports word the findings."""

    def messages(self, task: ReportTask) -> list[BaseMessage]:
        """The conversation that asks for one report."""
        from langchain_core.messages import HumanMessage, SystemMessage

        points = [
            {
                "section": point.section.value,
                "sentence": point.sentence,
                "facts": point.facts,
                "claims": point.entries,
                "evidence": point.evidence,
            }
            for point in task.points
        ]
        data: dict[str, Any] = {"language": task.language.value, "points": points}
        if self.style and task.style:
            data["wording"] = task.style
        asked = json.dumps(data, ensure_ascii=False)
        return [SystemMessage(self.system), HumanMessage(asked)]

    def response_format(self, task: ReportTask) -> dict[str, Any]:
        """The schema that the answer is held to: ids are enumerations of the task's."""
        return _response_format("report", report_schema(task))


class ReadingPrompt(Frozen):
    """The prompt file of the second reader."""

    version: str
    languages: tuple[Language, ...]
    system: str
    max_tokens: int = Field(ge=1)

    def messages(self, sentence: str, language: Language) -> list[BaseMessage]:
        """The conversation that asks for the claims of one sentence."""
        from langchain_core.messages import HumanMessage, SystemMessage

        data = {"language": language.value, "sentence": sentence}
        return [SystemMessage(self.system), HumanMessage(json.dumps(data, ensure_ascii=False))]


def _response_format(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "strict": True, "schema": schema},
    }


def _turned(examples: tuple[tuple[str, str], ...], tries: int) -> tuple[tuple[str, str], ...]:
    """The examples in another order at every try: a small model leans on the last one."""
    first = tries % max(len(examples), 1)
    return (*examples[first:], *examples[:first])


@cache
def load_prompt(name: str) -> RewordingPrompt:
    """The prompt in `agents/prompts/NAME`. Raises `SettingsError` where it is damaged."""
    return read_prompt(name, RewordingPrompt)


@cache
def load_report_prompt() -> ReportPrompt:
    """The prompt of the whole-report form. Raises `SettingsError` where it is damaged."""
    return read_prompt(REPORT_PROMPT, ReportPrompt)


@cache
def load_reading_prompt() -> ReadingPrompt:
    """The prompt of the second reader. Raises `SettingsError` where it is damaged."""
    return read_prompt(READING_PROMPT, ReadingPrompt)
