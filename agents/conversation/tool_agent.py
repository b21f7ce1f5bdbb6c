"""A served language model that answers by calling the conversation's tools.

It chooses the tools and words the answer; the answer is read back, and where the ledger does not
carry all of it, the rules' answer stands in its place. The answer says which of them is at work.
Whoever listens hears the words as the model writes them, before they are read back.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from agents.conversation.answer import SERVED, Answer, OnWords
from agents.conversation.phrases import phrases
from agents.conversation.read_back import read_back
from agents.conversation.router import Intent, Question
from agents.conversation.toolbox import WORD_FOR_WORD, Act, Toolbox
from reporting.draft import Draft

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_LOG: Final = logging.getLogger("readingroom.conversation")
ROUNDS: Final = 5
"""Most times that the model is asked in one turn."""
_REMEMBERED: Final = 6
"""Turns before this one that the model is told."""
_LONGEST_ANSWER: Final = 2_000
_BOTH: Final[Mapping[str, Any]] = {"stream_mode": ["messages", "values"]}


@dataclass(frozen=True)
class ToolAgent:
    """A chat model that can call tools, under the name that it is served by."""

    chat: BaseChatModel
    name: str

    def answer(
        self,
        draft: Draft,
        question: Question,
        before: Sequence[tuple[str, str]],
        acts: Mapping[Intent, Act],
        on_words: OnWords | None = None,
    ) -> Answer:
        """Answer a question; `before` holds the questions and answers that went before.

        Where the model fails, calls no tool, or says what is not carried, the answer is that of
        the rules (`acts`), with a note of it.
        """
        by_rules = acts[question.intent](draft, question)
        said = phrases(question.language)
        box = Toolbox(draft, question, acts)
        try:
            text = self._run(box, question, before, on_words)
        except Exception as error:  # every client library has errors of its own
            _LOG.warning("served model failed error=%s", type(error).__name__)
            return _noted(by_rules, said.say("served_failed", model=self.name))
        chosen = next((a for a in reversed(box.answers) if a.intent in WORD_FOR_WORD), None)
        if chosen is not None:
            return chosen.model_copy(update={"writer": SERVED, "model": self.name})
        if not box.said:
            return _noted(by_rules, said.say("served_ungrounded", model=self.name))
        checked = read_back(text, draft, question.language, box.said)
        if not text or not checked.stands:
            _LOG.info("served answer withheld faults=%d", len(checked.uncarried))
            grounded = next((a for a in reversed(box.answers) if a.claims), by_rules)
            return _noted(
                by_rules if question.understood else grounded,
                said.say("served_withheld", model=self.name),
            )
        cited = checked.evidence or tuple(
            dict.fromkeys(key for answer in box.answers for key in answer.evidence)
        )
        return Answer(
            text=text,
            intent=box.answers[-1].intent if box.answers else question.intent,
            claims=checked.claims,
            evidence=cited,
            show=tuple(dict.fromkeys(key for answer in box.answers for key in answer.show)),
            writer=SERVED,
            model=self.name,
        )

    def _run(
        self,
        box: Toolbox,
        question: Question,
        before: Sequence[tuple[str, str]],
        on_words: OnWords | None,
    ) -> str:
        from langchain.agents import create_agent
        from langchain.agents.middleware import ModelCallLimitMiddleware
        from langchain_core.messages import AIMessage, HumanMessage
        from langsmith import tracing_context

        limit: Any = ModelCallLimitMiddleware(run_limit=ROUNDS, exit_behavior="error")
        agent = create_agent(
            self.chat,
            box.tools(),
            system_prompt=system_prompt().replace("{language}", question.language.value),
            middleware=[limit],
        )
        messages: list[BaseMessage] = []
        for asked, answered in before[-_REMEMBERED:]:
            messages += [HumanMessage(asked), AIMessage(answered)]
        messages.append(HumanMessage(question.text))
        given: Any = {"messages": messages}
        with tracing_context(enabled=False):  # a trace would carry the study to another machine
            if on_words is None:
                state = agent.invoke(given, {"recursion_limit": 4 * ROUNDS})
                return str(state["messages"][-1].text).strip()[:_LONGEST_ANSWER]
            return _heard(agent.stream(given, {"recursion_limit": 4 * ROUNDS}, **_BOTH), on_words)


def _heard(parts: Iterable[Any], on_words: OnWords) -> str:
    """The last message of a run whose words are told as they are written.

    The words of one message, from its beginning; those of a message that turns out to call a tool
    are taken back.
    """
    from langchain_core.messages import AIMessageChunk

    writing, words, last = None, "", ""
    for mode, part in parts:
        if mode == "values":
            last = str(part["messages"][-1].text)
            continue
        chunk = part[0]
        if not isinstance(chunk, AIMessageChunk):
            continue
        if chunk.id != writing:
            writing, words = chunk.id, ""
        words = "" if chunk.tool_call_chunks else words + chunk.text
        on_words(words.lstrip()[:_LONGEST_ANSWER])
    return last.strip()[:_LONGEST_ANSWER]


def _noted(answer: Answer, note: str) -> Answer:
    return answer.model_copy(update={"note": note})


@cache
def system_prompt() -> str:
    """What the model is told: `agents/data/conversation_agent.toml`."""
    file = resources.files("agents").joinpath("data", "conversation_agent.toml")
    return str(tomllib.loads(file.read_text("utf-8"))["system"]).strip()
