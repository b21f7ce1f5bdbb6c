"""Any LangChain chat model that answers under a JSON schema, as a writing back end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from agents import background
from agents.aggregator.contract import ReportTask, RewordingTask
from agents.aggregator.prompt import ReportPrompt, RewordingPrompt
from findings.errors import BackendError, ReadingRoomError
from reporting.draft import ModelUse, Writer

if TYPE_CHECKING:
    from collections.abc import Generator

    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk, BaseMessage

Ask = Callable[[float], str]
MOST_CHARACTERS: Final = 40_000
"""Of one answer; the longest schema in use asks for far less."""


class Asking(Protocol):
    """How a question is put: once, or patiently over a network (`agents.aggregator.served`)."""

    def __call__(self, ask: Ask, seconds: float) -> str:
        """What `ask` answers, given the seconds it may take."""
        ...


def once(ask: Ask, seconds: float) -> str:
    """Ask a model in this process: what fails there will fail again."""
    return ask(seconds)


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
        asking: Asking = once,
    ) -> None:
        """`seconds` is for one draft; `load` is what `prepare` does in the background."""
        self._chat, self._prompt, self._load, self._asking = chat, prompt, load, asking
        self.writer, self.model = writer, model
        self.max_sentences, self.seconds = prompt.max_sentences, seconds

    def prepare(self) -> None:
        """Begin to load in the background."""
        if self._load is not None:
            background.start(self._attempt_load, "prepare-llm")

    def _attempt_load(self) -> None:
        if self._load is not None:
            with suppress(BackendError):  # told at the first sentence
                self._load()

    def reword(self, task: RewordingTask, seconds: float) -> str:
        """The model's sentence, unchecked. Raises `BackendError` where it gives no answer."""
        answer = self.answer(
            self._prompt.messages(task),
            self._prompt.response_format(),
            max_tokens=self._prompt.max_tokens,
            seed=task.seed,
            seconds=seconds,
            temperature=task.temperature,
        )
        return self._text_of(answer)

    def answer(
        self,
        messages: Sequence[BaseMessage],
        response_format: dict[str, Any],
        *,
        max_tokens: int,
        seed: int,
        seconds: float,
        temperature: float = 0.0,
    ) -> str:
        """The raw answer under a schema, read as it comes and left as soon as it is whole.

        Above a `temperature` of 0, which is greedy, the seed fixes what is drawn. Raises
        `BackendError` where none comes in time.
        """

        def ask(left: float) -> str:
            pieces = cast(
                "Generator[AIMessageChunk]",
                self._chat.stream(
                    list(messages),
                    response_format=response_format,
                    max_tokens=max_tokens,
                    seed=seed,
                    temperature=temperature,
                    timeout=left,
                ),
            )
            with closing(pieces):
                return _read(pieces, monotonic() + left)

        try:
            return self._asking(ask, max(seconds, 0.01))
        except ReadingRoomError:
            raise
        except Exception as error:  # every client library has errors of its own
            raise BackendError(
                f"The {self.writer.value} language model gave no answer "
                f"({type(error).__name__}). 'readingroom doctor' says whether it can be reached."
            ) from error

    def _text_of(self, answer: str) -> str:
        """The one string of the answer; what is no such JSON is left to fail its read-back."""
        try:
            parsed: Any = json.loads(answer)
            text = parsed["text"]
        except (ValueError, KeyError, TypeError, RecursionError):
            text = answer
        return str(text)[: self._prompt.max_characters].strip()


class ReportChatBackend(ChatBackend):
    """A back end that can also be given the whole report at once."""

    def __init__(
        self,
        chat: BaseChatModel,
        prompt: RewordingPrompt,
        writer: Writer,
        model: ModelUse,
        seconds: float,
        report_prompt: ReportPrompt,
        load: Callable[[], object] | None = None,
        asking: Asking = once,
    ) -> None:
        """As a `ChatBackend`; `report_prompt` asks for the report."""
        super().__init__(chat, prompt, writer, model, seconds, load, asking)
        self._report_prompt = report_prompt

    def write_report(self, task: ReportTask, seconds: float) -> str:
        """JSON under the task's schema, unchecked. Raises `BackendError` where none comes."""
        return self.answer(
            self._report_prompt.messages(task),
            self._report_prompt.response_format(task),
            max_tokens=self._report_prompt.max_tokens,
            seed=task.seed,
            seconds=seconds,
        )


class TooLateError(BackendError):
    """An answer was not whole when its time was up."""


def _read(pieces: Iterator[AIMessageChunk], until: float) -> str:
    """The text of a stream up to the end of its JSON value. Raises `TooLateError`."""
    text = ""
    for piece in pieces:
        said = piece.text
        text += said
        if ("}" in said and _whole(text)) or len(text) > MOST_CHARACTERS:
            break
        if monotonic() > until:
            raise TooLateError("The language model did not finish its answer in time.")
    return text[:MOST_CHARACTERS]


def _whole(text: str) -> bool:
    """Whether a text is a complete JSON value: a small model might go on with blanks."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
