"""A room in a process of its own and a real browser, shared by the page's tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from agents.room import Shelf, ShelvedStudy

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
COOKIE = "reading_room"


class Server:
    """`readingroom ui` on a free port, over data that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until the page answers."""
        environment = {
            **os.environ,
            "READINGROOM_DATA_DIR": str(self.folder / "data"),
            "READINGROOM_CACHE_DIR": str(self.folder / "cache"),
            "READINGROOM_LLM__AGGREGATOR": "phraser",
            "READINGROOM_RETRIEVAL__ENABLED": "false",
            "READINGROOM_EXPERTS__TIME_LIMIT_SECONDS": "300",
        }
        command = [sys.executable, "-m", "ui.cli.main", "ui", "--port", str(self.port)]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        for _ in range(480):
            assert self._process.poll() is None, "the page's server ended"
            try:
                with urllib.request.urlopen(self.address, timeout=5):
                    return
            except OSError:
                time.sleep(0.25)
        raise AssertionError("the page did not come up within two minutes")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

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
    """One person's browser context at the page; keeps what went wrong and what left the origin."""

    def __init__(self, browser: Any, server: Server, owner: str | None = None, **size: int) -> None:
        viewport = {"width": size.get("width", 1366), "height": size.get("height", 768)}
        self.context = browser.new_context(viewport=viewport)
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
        self.context.close()
        assert not self.faults, self.faults
        assert not self.outside, self.outside
