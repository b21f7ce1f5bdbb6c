"""The conversation in the shapes of OpenAI's chat API, for ordinary chat clients."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from agents.asking import Conversation
from agents.room import Room, ShelvedStudy
from findings.errors import UserInputError
from ui.api.shapes import ChatIn

_MOST_TURNS = 20


def models(study_ids: Sequence[str]) -> dict[str, Any]:
    """The list of models: one for each drafted study."""
    return {
        "object": "list",
        "data": [
            {"id": f"readingroom:{key}", "object": "model", "created": 0, "owned_by": "readingroom"}
            for key in study_ids
        ],
    }


def complete(room: Room, study: ShelvedStudy, wanted: ChatIn, now: int) -> Response:
    """The answer to the last user message, in the light of those before.

    The client keeps the conversation: nothing of it is remembered here. Instructions in system
    messages change nothing. Raises `UserInputError` where nothing was asked.
    """
    asked = [m.text for m in wanted.messages if m.role == "user" and m.text.strip()]
    if not asked:
        raise UserInputError("There is no user message with text. Ask a question.")
    answer = Conversation(room.draft(study), room.settings).ask_all(asked[-_MOST_TURNS:])[-1]
    cited = f" [{', '.join(answer.evidence)}]" if answer.evidence else ""
    noted = f" ({answer.note})" if answer.note else ""
    text = f"{answer.text}{cited}{noted}"
    at_work = f"{answer.writer} {answer.model}".strip()
    head = {
        "id": f"chatcmpl-{study.id}",
        "created": now,
        "model": wanted.model,
        "system_fingerprint": at_work,
    }
    if wanted.stream:
        return StreamingResponse(_streamed(head, text), media_type="text/event-stream")
    message = {"role": "assistant", "content": text}
    return JSONResponse(
        {
            **head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )


def _streamed(head: dict[str, Any], text: str) -> Iterator[str]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = {**head, "object": "chat.completion.chunk", "choices": [choice]}
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for word in text.split(" "):
        yield chunk({"content": f"{word} "})
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"
