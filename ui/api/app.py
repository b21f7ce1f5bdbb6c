"""The HTTP application: a room, its guard, its routes, and how errors are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from agents.room import Room
from agents.room.shelf import MOST_BYTES
from agents.settings import Settings
from findings.errors import ReadingRoomError, ResourceError, StudyError, UserInputError
from ui.api.guard import Guard
from ui.api.refusal import Refusal
from ui.api.routes import router
from ui.api.shapes import ErrorOut

_LOG: Final = logging.getLogger("readingroom.api")
_BOTH_FILES: Final = 2 * MOST_BYTES + 2**20
_LONGEST_ERROR: Final = 500
# The guard checks keys before any route; here they are only described.
_KEY: Final = Security(HTTPBearer(auto_error=False, description="one of the service's keys"))
_STATUS: Final[tuple[tuple[type[ReadingRoomError], int], ...]] = (
    (StudyError, 422),
    (UserInputError, 400),
    (ResourceError, 503),
)
_SAID: Final = {
    400: "The request cannot be read. Send it as /docs describes.",
    404: "There is nothing of that name here. /docs lists every request.",
    405: "This path takes no such method. /docs lists every request.",
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorOut, "description": meaning}
    for status, meaning in (
        (400, "The request cannot be served as it is."),
        (401, "A valid key is needed."),
        (403, "Without keys only this machine may ask."),
        (411, "The request does not state its length."),
        (413, "The request is too large."),
        (422, "A field does not fit, or the file is no study."),
        (429, "Too many requests."),
        (500, "A fault of the program."),
        (503, "Something that the installation should provide is missing."),
    )
}


def create_app(settings: Settings, room: Room | None = None) -> FastAPI:
    """The application on a room; with none given, on the settings' own data folder."""
    own = room or Room(
        settings,
        settings.data_dir / "room",
        workers=settings.api.drafts_at_once,
        waiting=settings.api.drafts_waiting,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        own.close()

    app = FastAPI(
        title="Reading Room",
        description="Chest X-ray reports in which every sentence carries its evidence. "
        "Research use only; not a medical device.",
        version="1",
        lifespan=lifespan,
        redoc_url=None,
        responses=_ERRORS,
    )
    app.state.room = own
    app.middleware("http")(Guard(settings.api, _BOTH_FILES))
    app.include_router(router, dependencies=[_KEY] if settings.api.keys else [])

    @app.exception_handler(ReadingRoomError)
    async def told(_: Request, error: ReadingRoomError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return _told(status, str(error))

    @app.exception_handler(RequestValidationError)
    async def unfit(_: Request, error: RequestValidationError) -> JSONResponse:
        # A name that the request made up is part of what it sent, and is not repeated.
        problems = "; ".join(
            f"{_place(one['loc'][:-1] if one['type'] == 'extra_forbidden' else one['loc'])}: "
            f"{one['msg']}"
            for one in error.errors()
        )
        return _told(422, f"The request does not fit. {problems}"[:_LONGEST_ERROR])

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        # Only what this program raises carries an `ErrorOut`; a framework's words may repeat input.
        own = error.detail if isinstance(error, Refusal) else _SAID.get(error.status_code, "")
        answer = _told(error.status_code, own or "The request was refused.")
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        _LOG.error("request failed error=%s", type(error).__name__)
        text = f"An unexpected {type(error).__name__} stopped this: a fault of the program."
        return _told(500, text)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the service is up."""
        return {"status": "ok"}

    return app


def _told(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)


def _place(path: Sequence[str | int]) -> str:
    """Where in a request a problem lies."""
    return ".".join(str(part)[:40] for part in path if part != "body") or "body"
