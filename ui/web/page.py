"""The page: one Gradio application around one component, and the room behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import gradio as gr
from gradio.utils import get_upload_folder
from pydantic import BaseModel, ValidationError
from starlette.middleware import Middleware

from agents.room import Room
from agents.room.shelf import MOST_BYTES
from findings.errors import ReadingRoomError, UserInputError
from ui.web import calls, shapes
from ui.web.door import Door, browser_of

_LOG: Final = logging.getLogger("readingroom.page")
SCRIPTS: Final = (
    "base.js",
    "film.js",
    "marks.js",
    "hands.js",
    "evidence.js",
    "report.js",
    "talk.js",
    "worklist.js",
    "start.js",
)
"""In the order in which they are read; they share one scope."""


def build_page(room: Room) -> gr.Blocks:
    """The page on a room."""
    page: gr.Blocks
    with gr.Blocks(title="Reading Room", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            html_template=_asset("room.html"),
            js_on_load="\n".join(_asset(name) for name in SCRIPTS),
            apply_default_css=False,
            elem_id="room",
            server_functions=served(calls.Calls(room, Path(get_upload_folder()))),
        )
    return page


def launch(
    page: gr.Blocks, host: str, port: int, users: list[tuple[str, str]], *, block: bool = True
) -> None:
    """Serve the page until interrupted; without `users`, to this machine alone."""
    page.queue(max_size=32).launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        auth=users or None,
        max_file_size=MOST_BYTES,
        footer_links=[],
        css=_asset("room.css"),
        theme=gr.themes.Base(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        js="() => document.documentElement.classList.add('dark')",
        head='<meta name="color-scheme" content="dark">',
        ssr_mode=False,
        show_error=True,
        prevent_thread_lock=not block,
        app_kwargs={"middleware": [Middleware(Door, only_this_machine=not users)]},
    )


def _asset(name: str) -> str:
    return resources.files("ui.web").joinpath("assets", name).read_text("utf-8")


def served(acts: calls.Calls) -> list[Callable[..., dict[str, Any]]]:
    """The calls as functions that Gradio serves: checked, for the one who asks, without faults."""
    wanted: dict[str, type[BaseModel]] = {
        "worklist": shapes.Nothing,
        "sample": shapes.SampleWanted,
        "give": shapes.Given,
        "remove": shapes.OfStudy,
        "open": shapes.OfStudy,
        "film": shapes.FilmWanted,
        "compare": shapes.PriorChosen,
        "start": shapes.DraftWanted,
        "progress": shapes.Since,
        "ask": shapes.Asked,
        "hearing": shapes.Heard,
        "point": shapes.Pointed,
        "review": shapes.ToReview,
        "edit": shapes.Edited,
        "attempt": shapes.Edited,
        "undo": shapes.OfStudy,
        "sign": shapes.Signed,
        "export": shapes.Wanted,
    }
    return [_served(name, shape, getattr(acts, name)) for name, shape in wanted.items()]


def _served(
    name: str, shape: type[BaseModel], act: Callable[[str, Any], dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    def call(payload: Any, request: gr.Request) -> dict[str, Any]:
        try:
            wanted = shape.model_validate(payload)
        except ValidationError:
            return {"error": "The request is not complete, or too long. Correct it and try again."}
        try:
            return act(owner_of(request), wanted)
        except ReadingRoomError as error:
            return {"error": str(error)}
        except Exception as error:
            # A page must outlive any fault; the person is told, the log has the kind of it.
            _LOG.error("call=%s failed error=%s", name, type(error).__name__)
            kind = type(error).__name__
            return {"error": f"An unexpected {kind} stopped this: a fault of the program."}

    call.__name__ = call.__qualname__ = f"do_{name}"
    return call


def owner_of(request: Any) -> str:
    """Who asks: the user who logged in, else the browser. Raises `UserInputError` for neither."""
    user = _user(request)
    if user is not None:
        return f"{calls.USER}{user}"
    browser = browser_of(request.headers.get("cookie", ""))
    if browser is None:
        raise UserInputError("This browser keeps no cookies, so its studies cannot be told apart.")
    return browser


def _user(request: Any) -> str | None:
    """The name under which Gradio logged the request's sender in."""
    app = request.app
    if getattr(app, "auth", None) is None:
        return None
    for kind in ("access-token", "access-token-unsecure"):
        token = request.cookies.get(f"{kind}-{app.cookie_id}")
        if token in app.tokens:
            return str(app.tokens[token])
    return None
