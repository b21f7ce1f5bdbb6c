"""The page in a real browser: a study drafted, its evidence shown, questions, review, sign-off."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings
from imaging.loading import load_study
from reporting.files import read_draft
from ui.cli.room import _seal
from ui.web.film import film_view
from ui.web.page import build_page

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    draft = read_draft(SAMPLES / "drafts" / "cardiomegaly" / "draft.json")
    return film_view(draft, load_study(SAMPLES / "cardiomegaly.dcm").frontal)


def test_the_viewer_is_given_plain_json(shown: dict[str, Any]) -> None:
    assert json.loads(json.dumps(shown)) == json.loads(json.dumps(shown))
    assert shown["film"].startswith("data:image/png;base64,")
    sentences = [s for section in shown["sections"] for s in section["sentences"]]
    assert all(set(s["evidence"]) <= set(shown["evidence"]) for s in sentences)
    assert all(set(s["entries"]) <= set(shown["ledger"]) for s in sentences)


def test_outlines_lie_on_the_film(shown: dict[str, Any]) -> None:
    rings = [ring for item in shown["evidence"].values() for ring in item.get("outlines", [])]
    assert len(rings) >= 5
    for ring in rings:
        assert all(0 <= x <= shown["width"] and 0 <= y <= shown["height"] for x, y in ring)


def test_the_page_calls_no_other_host(tmp_path: Path) -> None:
    from agents.room import Room

    room = Room(Settings(data_dir=tmp_path), tmp_path)
    try:
        page = build_page(room, "secret")
        config = json.dumps(page.get_config_file(), default=str)
        assert "http://" not in config.replace("http://www.w3.org", "")
    finally:
        room.close()


def test_the_seal_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    assert _seal(tmp_path) == _seal(tmp_path)
    assert (tmp_path / "browser.key").stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A room of its own on a free port, in a process of its own."""
    import os

    folder = tmp_path_factory.mktemp("room")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "READINGROOM_DATA_DIR": str(folder / "data"),
        "READINGROOM_CACHE_DIR": str(folder / "cache"),
        "READINGROOM_LLM__AGGREGATOR": "phraser",
    }
    command = [sys.executable, "-m", "ui.cli.main", "ui", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/", server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "the page's server ended"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the page did not come up within two minutes")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_study_from_the_worklist_to_the_signature(address: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        page = context.new_page()
        faults: list[str] = []
        outside: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda sent: (
                None
                if sent.url.startswith((address, "data:", "blob:"))
                else outside.append(sent.url)
            ),
        )
        page.goto(address)
        page.wait_for_selector("#sample")
        page.wait_for_function(
            "Object.keys(localStorage).some(key => key.includes('reading-room'))", timeout=60_000
        )
        page.click("#sample")
        page.wait_for_selector("#worklist input[type=radio]", timeout=60_000)
        page.wait_for_timeout(1_000)
        page.click("#draft")
        page.wait_for_selector(".sentence.definite", timeout=180_000)

        page.click(".sentence.definite")
        assert "finding classifier" in page.inner_text(".because")
        assert "probability" in page.inner_text(".because")

        page.focus("canvas")
        page.keyboard.press("i")
        assert page.get_attribute("[data-do=invert]", "aria-pressed") == "true"

        box = page.locator("#question textarea, #question input")
        box.fill("<img src=x onerror=window.hit=1> how big is the heart?")
        page.keyboard.press("Enter")
        page.wait_for_selector("#said :text('ardiothoracic ratio')", timeout=60_000)
        assert page.evaluate("window.hit") is None

        other = browser.new_context().new_page()
        other.goto(address)
        other.wait_for_selector("#sample")
        other.wait_for_timeout(2_000)
        assert other.locator("#worklist input[type=radio]").count() == 0

        page.get_by_role("tab", name="Sign").click()
        page.locator("#signer textarea, #signer input").fill("Dr. Example")
        page.get_by_role("button", name="Sign", exact=True).click()
        page.wait_for_selector(".report :text('Status: signed')", timeout=60_000)

        page.reload()
        page.wait_for_selector("#worklist input[type=radio]", timeout=60_000)
        browser.close()
    assert not faults and not outside
