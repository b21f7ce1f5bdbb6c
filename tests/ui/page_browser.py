"""A room and a real browser, shared by the page's tests."""

from __future__ import annotations

import io
import os
import shutil
import socket
import zipfile
from pathlib import Path
from typing import Any

from agents.room import Room, Shelf, ShelvedStudy
from agents.settings import ExpertSettings, LlmSettings, RetrievalSettings, Settings

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-component-update",
]
COOKIE = "reading_room"
SIZE = {"width": 1366, "height": 768}


def several_films() -> bytes:
    """A ZIP of a PA with a lateral, and of two earlier studies of the patient."""
    import pydicom

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (study, day, view) in enumerate(
            (
                (1, "20190301", "PA"),
                (3, "20240610", "LL"),
                (3, "20240610", "PA"),
                (2, "20231101", "PA"),
            )
        ):
            film = pydicom.dcmread(SAMPLES / "normal.dcm")
            film.StudyInstanceUID, film.StudyDate, film.ViewPosition = f"1.2.{study}", day, view
            if view == "LL":
                film.decompress()
                film.PixelData = film.pixel_array[::-1].tobytes()
            made = io.BytesIO()
            film.save_as(made)
            archive.writestr(f"{number}.dcm", made.getvalue())
    return stream.getvalue()


class Server:
    """The room's page on a free port, over data that outlives it; drafts by three real experts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self._room: Room | None = None
        self._page: Any = None

    def start(self) -> None:
        """Start as `readingroom ui` does, in this process: nothing is left of an earlier start."""
        uploads = self.folder / "data" / "uploads"
        uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        from ui.web.page import build_page, launch

        left_out = dict.fromkeys(("detector", "clues", "crude_report", "prior_comparer"), "none")
        settings = Settings(
            data_dir=self.folder / "data",
            cache_dir=self.folder / "cache",
            llm=LlmSettings(aggregator="phraser"),
            retrieval=RetrievalSettings(enabled=False),
            experts=ExpertSettings.model_validate({**left_out, "time_limit_seconds": 300}),
        )
        self._room = Room(settings, settings.data_dir / "room")
        self._page = build_page(self._room)
        launch(self._page, "127.0.0.1", self.port, [], block=False)

    def stop(self) -> None:
        """End it."""
        if self._room is not None:
            self._page.close()
            self._room.close()
            self._room = None

    def shelve(
        self, owner: str, name: str = "cardiomegaly", draft: Path | None = None
    ) -> ShelvedStudy:
        """Put a sample with its draft on an owner's worklist, as if drafted earlier."""
        prior = SAMPLES / f"{name}_prior.dcm"
        study = Shelf(self.folder / "data" / "room", owner).add(
            (SAMPLES / f"{name}.dcm").read_bytes(), prior.read_bytes() if prior.is_file() else None
        )
        shutil.copytree(draft or SAMPLES / "drafts" / name, study.draft_folder)
        return study


class Visitor:
    """One person at the page; keeps what went wrong and what left the origin.

    In a context that is given, the browser still has the page's scripts compiled from before.
    """

    def __init__(
        self, browser: Any, server: Server, owner: str | None = None, context: Any = None
    ) -> None:
        self._shared = context is not None
        self.context = context or browser.new_context(viewport=SIZE)
        if self._shared:
            self.context.clear_cookies()
        if owner is not None:
            cookie = {"name": COOKIE, "value": owner, "domain": "127.0.0.1", "path": "/"}
            self.context.add_cookies([cookie])
        self.server = server
        self.faults: list[str] = []
        self.outside: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.server.address, "data:", "blob:")):
            self.outside.append(request.url)

    def enter(self, sentences: bool = True) -> Any:
        """Open the page and wait until it is ready."""
        self.page.goto(self.server.address)
        self.page.wait_for_selector(".app[data-busy=no]")
        if sentences:
            self.page.wait_for_selector(".sentence[data-standing]")
        return self.page

    def leave(self) -> None:
        """Close, and fail where a script failed or anything was asked of another host."""
        if self._shared:
            self.page.evaluate("localStorage.clear()")
            self.page.close()
        else:
            self.context.close()
        assert not self.faults, self.faults
        assert not self.outside, self.outside
