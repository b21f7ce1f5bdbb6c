"""Ask a chat model for an answer of a known form, and hold it to that form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ValidationError

from findings.errors import BackendError, ReadingRoomError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

Answer = TypeVar("Answer", bound=BaseModel)

ANSWER_SECONDS: Final = 60.0
"""For an answer, where no setting says another time."""
_MOST_CHARACTERS: Final = 20_000


def ask_for(
    chat: BaseChatModel,
    messages: Sequence[BaseMessage],
    kind: type[Answer],
    *,
    max_tokens: int,
    seconds: float,
    seed: int = 0,
) -> Answer:
    """The chat model's answer as a ``kind``; its JSON schema goes along with the question.

    The answer is untrusted: whatever is not exactly of the form is refused, not repaired.

    Raises:
        BackendError: no answer came, or one of another form.
    """
    schema = {"name": kind.__name__, "strict": True, "schema": kind.model_json_schema()}
    try:
        answer = chat.invoke(
            list(messages),
            response_format={"type": "json_schema", "json_schema": schema},
            max_tokens=max_tokens,
            seed=seed,
            timeout=seconds,
        )
    except ReadingRoomError:
        raise
    except Exception as error:  # every client library has errors of its own
        raise BackendError(
            f"The language model gave no answer ({type(error).__name__}). 'readingroom doctor' "
            "says whether it can be reached."
        ) from error
    text = str(answer.text)
    # A served model without guided decoding may put a fence around its JSON.
    start, end = text.find("{"), text.rfind("}")
    try:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError("too long")
        return kind.model_validate_json(text[start : end + 1])
    except (ValidationError, ValueError, RecursionError) as error:
        raise BackendError(
            "The language model's answer is not of the form that was asked for, so it is not used: "
            "serve a larger model, or one that can be held to a JSON schema."
        ) from error
