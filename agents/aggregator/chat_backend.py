"""Rewording through any LangChain chat model that answers under a JSON schema."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agents.aggregator.contract import RewordingTask
from agents.aggregator.prompt import RewordingPrompt
from findings.errors import BackendError, ReadingRoomError
from reporting.draft import ModelUse, Writer

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel


class ChatBackend:
    """A back end that asks a chat model for one sentence at a time."""

    def __init__(
        self,
        chat: BaseChatModel,
        prompt: RewordingPrompt,
        writer: Writer,
        model: ModelUse,
        seconds: float,
        load: Callable[[], object] | None = None,
    ) -> None:
        """`seconds` is for one draft; `load` is what `prepare` does in the background."""
        self._chat, self._prompt, self._load = chat, prompt, load
        self.writer, self.model = writer, model
        self.max_sentences, self.seconds = prompt.max_sentences, seconds

    def prepare(self) -> None:
        """Begin to load in the background."""
        if self._load is not None:
            threading.Thread(target=self._attempt_load, name="prepare-llm", daemon=True).start()

    def _attempt_load(self) -> None:
        if self._load is not None:
            with suppress(BackendError):  # told at the first sentence
                self._load()

    def reword(self, task: RewordingTask, seconds: float) -> str:
        """The model's sentence, unchecked. Raises `BackendError` where it gives no answer."""
        try:
            answer = self._chat.invoke(
                self._prompt.messages(task),
                response_format=self._prompt.response_format(),
                max_tokens=self._prompt.max_tokens,
                seed=task.seed,
                timeout=max(seconds, 0.01),
            )
        except ReadingRoomError:
            raise
        except Exception as error:  # every client library has errors of its own
            raise BackendError(
                f"The {self.writer.value} language model gave no answer "
                f"({type(error).__name__}). 'readingroom doctor' says whether it can be reached."
            ) from error
        return self._text_of(answer.text)

    def _text_of(self, answer: str) -> str:
        """The one string of the answer; what is no such JSON is left to fail its read-back."""
        try:
            parsed: Any = json.loads(answer)
            text = parsed["text"]
        except (ValueError, KeyError, TypeError, RecursionError):
            text = answer
        return str(text)[: self._prompt.max_characters].strip()
