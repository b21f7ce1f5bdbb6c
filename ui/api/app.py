"""The HTTP application: a room, its guard, its routes, and how errors are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from agents.room import Room
from agents.room.shelf import MOST_BYTES
from agents.settings import Settings
from findings.errors import ReadingRoomError, ResourceError, StudyError, UserInputError
from ui.api.guard import Guard
from ui.api.routes import router
from ui.api.shapes import ErrorOut

_BOTH_FILES: Final = 2 * MOST_BYTES + 2**20
_STATUS: Final[tuple[tuple[type[ReadingRoomError], int], ...]] = (
    (StudyError, 422),
    (UserInputError, 400),
    (ResourceError, 503),
)
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorOut} for status in (400, 401, 403, 411, 413, 429, 503)
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
    app.include_router(router)

    @app.exception_handler(ReadingRoomError)
    async def told(_: Request, error: ReadingRoomError) -> JSONResponse:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return JSONResponse({"error": str(error)}, status_code=status)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the service is up."""
        return {"status": "ok"}

    return app
