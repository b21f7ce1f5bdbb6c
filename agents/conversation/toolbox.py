"""The tools of a tool-calling conversation: the same answers that the rules give, one by one.

Each tool is bound to one draft: a language model chooses what to ask, never which patient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.conversation.answer import Answer
from agents.conversation.router import Intent, Question, route
from findings.evidence import Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from reporting.draft import Draft
from tools.as_langchain import WHAT_IT_DOES, ExpertQuestion
from tools.contract import Role

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

Act = Callable[[Draft, Question], Answer]
"""Answers a question from a draft by rules."""
EXPERT_EVIDENCE: Final = "expert_evidence"
_MOST_CHARACTERS: Final = 2_000
"""Of one expert's evidence: at most 1,100 tokens of the embedded model's, in a context of 4,096."""


_UNTOLD: Final = {"mask", "landmarks", "expert", "version", "image", "screen", "coverage"}


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AboutFinding(_Arguments):
    """Which finding is meant."""

    finding: str = Field(max_length=100, description="a finding's name, e.g. pleural effusion")
    side: Literal["left", "right"] | None = Field(default=None, description="the patient's side")


class AboutAny(_Arguments):
    """Which finding is meant; none: all of them."""

    finding: str | None = Field(default=None, max_length=100)


class InWords(_Arguments):
    """What is wanted, in the person's own words."""

    words: str = Field(min_length=1, max_length=500)


class Nothing(_Arguments):
    """Nothing need be said."""


class OfExpert(ExpertQuestion):
    """Whose evidence is wanted, and on what."""

    role: Role = Field(description="which expert")


_TOOLS: Final[Mapping[Intent, tuple[type[BaseModel], str]]] = {
    Intent.PRESENCE: (AboutFinding, "Whether a finding is there, how certain, on which side."),
    Intent.LOCATION: (AboutFinding, "Where a finding lies."),
    Intent.CERTAINTY: (AboutFinding, "How sure it is: pooled probability and thresholds."),
    Intent.REASON: (AboutFinding, "Why a finding is stated or not, with each expert's vote."),
    Intent.EXPERTS: (AboutAny, "What each expert said of a finding, and their disagreements."),
    Intent.MEASUREMENT: (Nothing, "All measurements, with units."),
    Intent.COMPARISON: (AboutAny, "Changes since the prior study."),
    Intent.SUMMARY: (Nothing, "The report's impression."),
    Intent.EXPLAIN: (InWords, "A sentence of the report and what it rests on, e.g. 'sentence S3'."),
    Intent.SIMILAR: (Nothing, "Similar prior reports. Their findings are not this patient's."),
    Intent.REWRITE: (
        InWords,
        "The report in other words: 'shorter', 'in Spanish', 'in English', 'for the patient'.",
    ),
    Intent.CHANGE: (
        InWords,
        "Proposes an edit of the report, e.g. 'remove the effusion' or 'add: PICC tip in the SVC'.",
    ),
    Intent.SHOW: (InWords, "Draws the outline or boxes of a finding or region on the picture."),
    Intent.HIDE: (InWords, "Takes marks off the picture."),
    Intent.DIFFERENTIAL: (AboutAny, "Causes of a finding: general knowledge, not of this image."),
    Intent.NEXT_STEPS: (AboutAny, "Usual next examinations: general knowledge, no advice."),
}

WORD_FOR_WORD: Final = (
    Intent.SIMILAR,
    Intent.REWRITE,
    Intent.CHANGE,
    Intent.SHOW,
    Intent.HIDE,
    Intent.DIFFERENTIAL,
    Intent.NEXT_STEPS,
)
"""Tools whose own words are the answer: a model may choose them and may not retell them."""


class Toolbox:
    """The tools on one draft, and what they answered in this turn."""

    def __init__(self, draft: Draft, asked: Question, acts: Mapping[Intent, Act]) -> None:
        self._draft, self._asked, self._acts = draft, asked, acts
        self.answers: list[Answer] = []
        self.said: list[str] = []
        """Every text that a tool returned."""

    def tools(self) -> list[StructuredTool]:
        """One tool for each kind of question, and one for the evidence of every expert."""
        from langchain_core.tools import StructuredTool

        def add(intent: Intent, schema: type[BaseModel], what: str) -> StructuredTool:
            def answer(**given: str | None) -> str:
                return self._answer(intent, given)

            return StructuredTool.from_function(
                answer, name=intent.value, description=what, args_schema=schema
            )

        made = [add(intent, schema, what) for intent, (schema, what) in _TOOLS.items()]
        experts = self._experts()
        return [*made, self._evidence(experts)] if experts else made

    def _answer(self, intent: Intent, given: Mapping[str, str | None]) -> str:
        answer = self._acts[intent](self._draft, self._question(intent, given))
        self.answers.append(answer)
        return self._returned(
            json.dumps({"answer": answer.text, "evidence": answer.evidence}, ensure_ascii=False)
        )

    def _question(self, intent: Intent, given: Mapping[str, str | None]) -> Question:
        language = self._asked.language
        if given.get("words"):
            # A place or sentence is read from the words as in a question of the person's.
            read = route(str(given["words"]), None, language)
            return read.model_copy(update={"intent": intent})
        side = given.get("side")
        return Question(
            text="all" if intent is Intent.MEASUREMENT else self._asked.text,
            language=language,
            intent=intent,
            finding=_finding(given.get("finding"), language),
            side=Side(side) if side else None,
        )

    def _experts(self) -> dict[Role, set[str]]:
        spoke = {item.expert for item in self._draft.evidence}
        found: dict[Role, set[str]] = {}
        for model in self._draft.models:
            if model.name in spoke and model.role in {role.value for role in Role}:
                found.setdefault(Role(model.role), set()).add(model.name)
        return found

    def _evidence(self, experts: Mapping[Role, set[str]]) -> StructuredTool:
        """One tool for all: as many would repeat their schema as often."""
        from langchain_core.tools import StructuredTool, ToolException

        def ask(
            role: Role,
            finding: Finding | None = None,
            region: Region | None = None,
            side: Side | None = None,
        ) -> str:
            if role not in experts:
                raise ToolException(f"No {role} gave evidence; these did: {', '.join(experts)}.")
            items = [
                item
                for item in self._draft.evidence
                if item.expert in experts[role]
                and finding in (None, item.finding)
                and region in (None, item.region)
                and side in (None, item.side)
            ]
            return self._returned(_brief(items))

        does = " ".join(f"{role}: {WHAT_IT_DOES[role]}" for role in experts)
        return StructuredTool.from_function(
            ask,
            name=EXPERT_EVIDENCE,
            description=f"What one expert saw, item by item, as JSON. {does}",
            args_schema=OfExpert,
            handle_tool_error=True,
        )

    def _returned(self, text: str) -> str:
        self.said.append(text)
        return text


def _brief(evidence: Sequence[Evidence]) -> str:
    """Evidence as JSON for a small context: numbers rounded, and no more of it than fits."""
    told: list[str] = []
    for item in evidence:
        stated = item.model_dump(mode="json", exclude=_UNTOLD, exclude_none=True)
        told.append(json.dumps(_rounded(stated), ensure_ascii=False))
        if sum(map(len, told)) > _MOST_CHARACTERS:
            told.pop()
            break
    left_out = len(evidence) - len(told)
    more = f', "left_out": {left_out}, "hint": "name a finding, region or side"' if left_out else ""
    return f'{{"evidence": [{", ".join(told)}]{more}}}'


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    return [_rounded(own) for own in value] if isinstance(value, list) else value


def _finding(words: str | None, language: Language) -> Finding | None:
    """The finding that a model names, by its id or in words."""
    if not words:
        return None
    name = words.strip().lower().replace(" ", "_")
    if name in {finding.value for finding in Finding}:
        return Finding(name)
    return route(words, None, language).finding or route(words, None, Language.ENGLISH).finding
