"""Makes docs/pictures/room*.png anew from the sample drafts: `python tests/ui/page_pictures.py`."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

from page_browser import CHROMIUM, FLAGS, SAMPLES, Server, Visitor

OUT = SAMPLES.parent / "pictures"
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def picture(page: Any, name: str) -> None:
    """What the page shows, once no message covers it."""
    page.wait_for_selector(".toast.shown", state="detached")
    page.evaluate(PAINTED)
    page.screenshot(path=OUT / name)


def main() -> None:
    """Open the page on the samples and take its pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = Server(Path(folder))
        server.start()
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        owners = [secrets.token_urlsafe(32) for _ in range(2)]
        server.shelve(owners[0])
        server.shelve(owners[1], "enlarging_heart")

        visitor = Visitor(browser, server, owners[0])
        page = visitor.enter()
        page.locator(".sentence", has_text="enlarged").first.click()
        picture(page, "room.png")
        page.set_viewport_size({"width": 1920, "height": 1080})
        picture(page, "room-1920.png")
        page.set_viewport_size({"width": 1366, "height": 768})
        page.keyboard.press("e")
        page.fill(".editor textarea", "The heart is normal in size.")
        page.wait_for_selector(".editor .note.bad")
        page.keyboard.press("Enter")
        page.wait_for_selector(".sentence[data-standing=reworded]")
        picture(page, "room-edit.png")
        visitor.leave()

        visitor = Visitor(browser, server, owners[1])
        page = visitor.enter()
        page.set_viewport_size({"width": 1920, "height": 1080})
        page.keyboard.press("c")
        page.wait_for_selector("[data-do=compare][aria-pressed=true]")
        picture(page, "room-prior.png")
        visitor.leave()
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
