"""The conversation, drawn: route → act → answer, over threads that are kept.

Answers are chosen by rules: the embedded language model is too small to be trusted with content.
With a served model that can call tools, it chooses and words them, and is read back. The answer
says which is at work. What is kept of a thread is the question as it was understood and the answer,
never pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agents.conversation import proposals, report_answers, study_answers
from agents.conversation.answer import Answer, OnWords
from agents.conversation.ledger_answers import about
from agents.conversation.phrases import phrases
from agents.conversation.router import Guesser, Intent, Question, route
from agents.conversation.tool_agent import ToolAgent
from agents.conversation.toolbox import Act
from findings.vocabulary import Language
from reporting.draft import Draft

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


class Turn(TypedDict):
    """One question and its answer, as plain JSON."""

    question: str
    answer: str


def _and_on(before: list[Turn], more: list[Turn]) -> list[Turn]:
    """The turns with those that follow; the oldest of a very long conversation are forgotten."""
    return (before + more)[-MOST_TURNS:]


class ConversationState(TypedDict, total=False):
    """What a thread keeps. Models are kept as JSON text, so that no type is revived from disk."""

    asked: str
    language: str | None
    question: str
    answer: str
    turns: Annotated[list[Turn], _and_on]


MOST_TURNS: Final = 200
"""Of a thread that are kept."""


@dataclass(frozen=True)
class Talk:
    """What a conversation is about, and the model that takes part, if one does."""

    draft: Draft
    agent: ToolAgent | None = None
    guess: Guesser | None = None
    on_words: OnWords | None = None


def _refuse(draft: Draft, question: Question) -> Answer:
    text = phrases(question.language).say("out_of_scope")
    return Answer(text=text, intent=question.intent, in_scope=False)


def _help(draft: Draft, question: Question) -> Answer:
    return Answer(text=phrases(question.language).say("help"), intent=question.intent)


ACTS: Final[Mapping[Intent, Act]] = {
    Intent.PRESENCE: about,
    Intent.LOCATION: about,
    Intent.CERTAINTY: about,
    Intent.REASON: about,
    Intent.MEASUREMENT: study_answers.measurements,
    Intent.COMPARISON: study_answers.comparison,
    Intent.EXPERTS: study_answers.experts,
    Intent.SHOW: study_answers.show,
    Intent.HIDE: study_answers.show,
    Intent.SIMILAR: study_answers.similar,
    Intent.EXPLAIN: report_answers.explain,
    Intent.REWRITE: report_answers.rewrite,
    Intent.CHANGE: proposals.change,
    Intent.DIFFERENTIAL: report_answers.general_knowledge,
    Intent.NEXT_STEPS: report_answers.general_knowledge,
    Intent.SUMMARY: report_answers.summarise,
    Intent.HELP: _help,
    Intent.OUT_OF_SCOPE: _refuse,
}
"""How each intent is answered."""


def _route(state: ConversationState, runtime: Runtime[Talk]) -> ConversationState:
    kept = state.get("turns", [])
    before = Question.model_validate_json(kept[-1]["question"]) if kept else None
    named = state.get("language")
    language = Language(named) if named else None
    question = route(state["asked"], before, language, runtime.context.guess)
    return {"question": question.model_dump_json()}


def _act(state: ConversationState, runtime: Runtime[Talk]) -> ConversationState:
    question = Question.model_validate_json(state["question"])
    talk = runtime.context
    refused = question.intent is Intent.OUT_OF_SCOPE and question.understood
    if talk.agent is None or refused or question.intent is Intent.HELP:
        answer = ACTS[question.intent](talk.draft, question)
    else:
        before = [
            (
                Question.model_validate_json(turn["question"]).text,
                Answer.model_validate_json(turn["answer"]).text,
            )
            for turn in state.get("turns", [])
        ]
        answer = talk.agent.answer(talk.draft, question, before, ACTS, talk.on_words)
    if answer.language is None:
        answer = answer.model_copy(update={"language": question.language})
    return {"answer": answer.model_dump_json()}


def _answer(state: ConversationState) -> ConversationState:
    return {"turns": [Turn(question=state["question"], answer=state["answer"])]}


def build_conversation(
    checkpoints: BaseCheckpointSaver[str] | None = None,
) -> CompiledStateGraph[ConversationState, Talk, ConversationState, ConversationState]:
    """The compiled graph; its context is what the talk is about."""
    graph = StateGraph(ConversationState, context_schema=Talk)
    graph.add_node("route", _route)
    graph.add_node("act", _act)
    graph.add_node("answer", _answer)
    graph.add_edge(START, "route")
    graph.add_edge("route", "act")
    graph.add_edge("act", "answer")
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=checkpoints, name="conversation")
