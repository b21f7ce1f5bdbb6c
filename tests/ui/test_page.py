"""The page in a real browser: from the upload to the signature, by hand and by keyboard."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_browser import CHROMIUM, FLAGS, SAMPLES, SIZE, Server, Visitor, several_films

from agents.editing.preferences import PREFERENCES_FILE
from agents.room import Shelf
from reporting.audit import AUDIT_FILE, read_events, verify_chain
from reporting.draft import DraftStatus
from reporting.files import read_draft

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
HOSTILE = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
TIMES: dict[str, float] = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = Server(tmp_path_factory.mktemp("room"))
    made.start()
    yield made
    made.stop()
    kept = os.environ.get("READINGROOM_PAGE_TIMES")
    if kept:
        Path(kept).write_text(json.dumps(TIMES, indent=1) + "\n")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One profile for all tests that need no other: its cache holds the page's scripts."""
    made = browser.new_context(viewport=SIZE)
    yield made
    made.close()


@pytest.fixture
def owner() -> str:
    return secrets.token_urlsafe(32)


def timed(name: str, since: float) -> None:
    TIMES[name] = round(time.perf_counter() - since, 3)


def sentence(page: Any, words: str) -> Any:
    return page.locator(".sentence", has_text=words).first


def test_a_study_from_the_upload_to_the_signature_and_after_a_restart(
    server: Any, browser: Any, context: Any, owner: str
) -> None:
    visitor = Visitor(browser, server, owner, context)
    started = time.perf_counter()
    page = visitor.enter(sentences=False)
    timed("page ready", started)
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
    TIMES["first paint"] = round(page.evaluate(paint), 3)
    assert "Drop a study here" in page.inner_text(".stage .empty")

    content = (SAMPLES / "cardiomegaly.dcm").read_bytes()
    upload = {"name": f"{HOSTILE}.dcm", "mimeType": "application/dicom", "buffer": content}
    started = time.perf_counter()
    page.set_input_files("[data-file=study]", upload)
    page.wait_for_selector(".study img")
    page.wait_for_function("document.querySelector('.foot .scale').textContent.includes('%')")
    timed("upload to film", started)
    waiting = server.folder / "data" / "uploads"
    assert waiting.stat().st_mode & 0o077 == 0
    assert not [path for path in waiting.rglob("*") if path.is_file()]

    started = time.perf_counter()
    page.click("[data-do=draft]")
    page.wait_for_selector(".steps .done", timeout=480_000)
    page.wait_for_selector(".sentence[data-standing]", timeout=480_000)
    timed("draft", started)
    heart = page.locator(".sentence.definite").first
    started = time.perf_counter()
    heart.hover()
    page.wait_for_selector(".sentence .chip.lit")
    timed("hover to evidence", started)
    told = page.inner_text("[data-panel=evidence]")
    assert "thoracic measurer" in told and "operating point" in told.lower()

    started = time.perf_counter()
    page.click("[data-tab=ask]")
    page.fill("[name=question]", f"{HOSTILE} how big is the heart?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said .it >> text=ardiothoracic ratio")
    timed("question to answer", started)

    key = heart.get_attribute("data-id")
    heart.click()
    page.keyboard.press("e")
    page.fill(".editor textarea", "The heart is normal in size.")
    started = time.perf_counter()
    page.wait_for_selector(".editor .note.bad >> text=The ledger states cardiomegaly")
    timed("edit checked", started)
    started = time.perf_counter()
    page.keyboard.press("Enter")
    changed = page.locator(f".sentence[data-id={key}][data-standing=reworded]")
    changed.wait_for()
    timed("edit kept", started)
    assert "in conflict" in page.inner_text(".status")
    other = sentence(page, "No evidence of")
    other.click()
    page.keyboard.press("x")
    page.wait_for_selector(".sentence[data-standing=rejected]")
    page.keyboard.press("u")
    page.wait_for_selector(".sentence[data-standing=rejected]", state="detached")

    page.click("[data-do=sign]")
    page.fill("dialog.signing [name=signer]", "Dr. Ana Müller")
    page.click("dialog.signing button.primary")
    page.wait_for_selector(".status.signed", timeout=120_000)
    assert "Dr. Ana Müller" in page.inner_text(".status")
    assert page.is_disabled("[data-do=undo]") and page.is_disabled("[data-do=draft]")
    with page.expect_download() as wanted:
        page.click("[data-do=export]")
        page.click("[data-format=fhir]")
    exported = json.loads(Path(wanted.value.path()).read_text())
    assert exported["status"] == "final"
    text = base64.b64decode(exported["presentedForm"][0]["data"]).decode()
    assert "The heart is normal in size." in text
    assert page.evaluate("window.hit") is None

    (study,) = Shelf(server.folder / "data" / "room", owner).all()
    draft = read_draft(study.draft_folder / "draft.json")
    assert draft.status is DraftStatus.SIGNED
    log = study.draft_folder / AUDIT_FILE
    assert verify_chain(log) > 5
    events = [event.event for event in read_events(log)]
    assert events[-4:] == ["edit.reword", "edit.reject", "edit.undone", "draft.signed"]
    pair = json.loads((server.folder / "data" / PREFERENCES_FILE).read_text().splitlines()[-1])
    assert pair["chosen"] == "The heart is normal in size." and "0.5" in pair["rejected"]

    server.stop()
    server.start()
    page = visitor.enter()
    assert "Dr. Ana Müller" in page.inner_text(".status.signed")
    assert "Not looked at by any expert" in page.inner_text(".report .limits")
    page.click("[data-tab=ask]")
    assert "how big is the heart?" in page.inner_text(".said")
    assert page.locator(".sentence .acts").count() == 0
    visitor.leave()


def test_two_people_never_see_each_others_studies(server: Any, browser: Any, owner: str) -> None:
    study = server.shelve(owner)
    one, other = Visitor(browser, server, owner), Visitor(browser, server)
    page, stranger = one.enter(), other.enter(sentences=False)
    assert page.locator(".study").count() == 1
    assert stranger.locator(".study").count() == 0
    stranger.evaluate("id => localStorage.setItem('reading-room-study', id)", study.id)
    other.enter(sentences=False)
    assert stranger.locator(".study").count() == 0
    one.leave()
    other.leave()


def test_everything_works_by_keyboard(server: Any, browser: Any, context: Any, owner: str) -> None:
    server.shelve(owner, "effusion")
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter()
    press = page.keyboard.press
    press("?")
    assert page.locator("dialog.keys[open] kbd").count() > 20
    press("Escape")
    middle = (
        "(() => { const c = document.querySelector('canvas'); return [...c.getContext('2d')"
        ".getImageData(c.width / 2, c.height / 2, 1, 1).data].slice(0, 3) })()"
    )
    page.wait_for_function(f"{middle}[0] > 0")
    bright = page.evaluate(middle)[0]
    press("i")
    page.wait_for_function(f"Math.abs({middle}[0] - {255 - bright}) <= 12")
    press("i")
    press("2")
    page.wait_for_selector(".foot .window >> text=W 70")
    press("1")
    press("l")
    assert page.locator(".layers [data-mark]").count() > 10
    press("l")
    press("c")
    page.wait_for_selector("[data-do=compare][aria-pressed=true]")
    press("c")
    page.wait_for_selector(".seam")
    press("c")

    press("j")
    chosen = page.locator(".sentence.chosen")
    first = chosen.get_attribute("data-id")
    press("j")
    assert chosen.get_attribute("data-id") != first
    press("a")
    page.wait_for_selector(".sentence[data-standing=accepted]")
    press("x")
    page.wait_for_selector(".sentence[data-standing=rejected]")
    press("r")
    page.wait_for_selector(".sentence[data-standing=rejected]", state="detached")
    press("e")
    page.keyboard.type(" Seen again.")
    press("Escape")
    assert page.locator(".editor").count() == 0
    press("n")
    page.keyboard.type("Small right apical pneumothorax.")
    page.wait_for_selector(".editor .note >> text=pneumothorax")
    press("Enter")
    page.wait_for_selector(".sentence[data-standing=added]")
    press("u")
    page.wait_for_selector(".sentence[data-standing=added]", state="detached")
    press("t")
    page.wait_for_selector(".sentence >> text=proyección")
    press("t")
    page.wait_for_selector(".sentence >> text=projection")

    press("p")
    for _ in range(3):
        press("ArrowDown")
    press("Shift+ArrowRight")
    press("Enter")
    page.wait_for_selector(".said .it >> text=You point at")
    press("w")
    press("/")
    page.keyboard.type("why?")
    press("Enter")
    page.wait_for_function("document.querySelectorAll('.said .it:not(.pending)').length === 2")
    press("Tab")
    page.focus("canvas")
    press("g")
    assert page.evaluate("document.activeElement.dataset.format") == "txt"
    press("ArrowDown")
    with page.expect_download() as wanted:
        press("Enter")
    assert "# Chest radiograph report" in Path(wanted.value.path()).read_text()
    press("s")
    page.wait_for_selector("dialog.signing[open]")
    press("Escape")
    press("b")
    assert page.evaluate("document.activeElement.className") == "studies"
    visitor.leave()


def test_the_film_is_pointed_at_measured_and_clicked(
    server: Any, browser: Any, context: Any, owner: str
) -> None:
    server.shelve(owner)
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter()
    area = page.locator("canvas").bounding_box()
    x, y = area["x"] + area["width"] / 2 + 40, area["y"] + area["height"] * 0.66

    def drag(dx: float, dy: float) -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx, y + dy, steps=4)
        page.mouse.up()

    page.mouse.click(x, y)
    about = page.locator(".sentence.about")
    assert about.count() >= 1 and "cardi" in about.first.inner_text().lower()
    assert " mm at the detector" in page.inner_text(".foot .place")
    before = page.inner_text(".foot .window")
    drag(60, 30)
    page.wait_for_function(f"document.querySelector('.foot .window').textContent !== '{before}'")
    page.click("[data-tool=point]")
    drag(70, 60)
    page.wait_for_selector(".said .it >> text=cardiac silhouette")
    page.keyboard.press("m")
    drag(100, 0)
    page.click("[data-do=one]")
    page.wait_for_selector(".foot .scale >> text=100 %")
    visitor.leave()


def test_a_lateral_is_shown_as_not_analysed_and_priors_are_chosen_from(
    server: Any, browser: Any, context: Any, owner: str
) -> None:
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter(sentences=False)
    archive = several_films()
    page.set_input_files(
        "[data-file=study]", {"name": "x.zip", "mimeType": "application/zip", "buffer": archive}
    )
    page.wait_for_selector(".study >> text=with 2 priors")
    pressed = page.locator(".films button[aria-pressed=true]")
    assert page.locator(".films button").all_inner_texts() == ["PA", "Lateral", "Beside PA"]
    for name in ("Lateral", "Beside PA", "PA"):
        page.keyboard.press("y")
        page.wait_for_function(
            "name => document.querySelector('.films button[aria-pressed=true]').textContent"
            " === name",
            arg=name,
        )
    assert pressed.count() == 1
    page.keyboard.press("c")
    choices = page.locator(".films select option")
    page.wait_for_selector(".films select")
    assert choices.all_inner_texts() == ["7 months earlier, nearest", "5 years 3 months earlier"]
    page.select_option(".films select", index=1)
    page.wait_for_selector(".toast >> text=5 years 3 months earlier")
    (study,) = Shelf(server.folder / "data" / "room", owner).all()
    assert study.prior == study.folder / study.priors[1].name
    assert page.evaluate(CONTRAST) == []
    visitor.leave()


def test_what_a_model_writes_is_pending_until_its_answer_stands(
    server: Any, browser: Any, context: Any, owner: str
) -> None:
    """The model's words are put into the room's own answers on their way to the page."""
    server.shelve(owner)
    visitor = Visitor(browser, server, owner, context)
    held: list[Any] = []

    def between(route: Any) -> None:
        name = route.request.post_data_json["fn_name"]
        if name == "do_ask":
            held.append(route)
        elif name == "do_hearing":
            if not route.request.post_data_json["data"]["seen"]:
                route.fulfill(json={"words": "A pneumothorax", "seen": 1})
        elif name == "do_open":
            answer = route.fetch()
            route.fulfill(json={**answer.json(), "converses": True})
        else:
            route.fallback()

    visitor.page.route("**/component_server/", between)
    page = visitor.enter()
    page.click("[data-tab=ask]")
    page.fill("[name=question]", "is there a pneumothorax?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said .it.pending[aria-busy=true] >> text=not yet read back")
    assert "A pneumothorax" in page.inner_text(".said .it.pending")
    assert page.evaluate(CONTRAST) == []
    held[0].continue_()
    page.wait_for_selector(".said .it:not(.pending) .by >> text=Answered by rules")
    assert page.locator(".said .pending").count() == 0
    assert "A pneumothorax" not in page.inner_text(".said")
    visitor.leave()


def test_hostile_texts_stay_texts(
    server: Any, browser: Any, context: Any, owner: str, tmp_path: Path
) -> None:
    draft = json.loads((SAMPLES / "drafts" / "cardiomegaly" / "draft.json").read_text())
    for section in draft["sections"]:
        for one in section["sentences"]:
            one["text"] = HOSTILE + one["text"]
    for item in draft["evidence"]:
        item["expert"] = item["text"] = HOSTILE
    for entry in draft["ledger"]:
        entry["reason"] = HOSTILE
        for vote in entry["votes"]:
            vote["expert"] = HOSTILE
    draft["warnings"] = [HOSTILE]
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "draft.json").write_text(json.dumps(draft))
    server.shelve(owner, draft=tmp_path / "draft")
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter()
    page.locator(".sentence").nth(2).click()
    page.keyboard.press("l")
    for tab in ("about", "check", "ask"):
        page.click(f"[data-tab={tab}]")
    page.fill("[name=question]", "What did each expert say?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said .it")
    assert HOSTILE in page.inner_text(".report")
    assert page.evaluate("window.hit") is None
    assert page.locator(".app img:not(.study img)").count() == 0
    visitor.leave()


PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Resolves when what was changed has been drawn."""
CUT = (
    "[...document.querySelectorAll('.app button')].filter((one) => one.offsetParent &&"
    " !one.closest('.suggested, .report, .studies') && (one.getBoundingClientRect().right >"
    " innerWidth + 1 || one.scrollWidth > one.clientWidth + 1)).map((one) => one.textContent)"
)
CONTRAST = """
() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const light = (colour) => { const [r, g, b] = colour.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (node) => { const layers = []; for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); layers.push(c); if (c[3] === 1) break; } return layers.reverse().reduce((under, top) => over(top, under), [0, 0, 0]); };
  const faint = [];
  for (const node of document.querySelectorAll('.app *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect(), style = getComputedStyle(node);
    if (!own || !box.width || !box.height || style.visibility === 'hidden' || Number(style.opacity) === 0 || node.closest(':disabled, .toast')) continue;
    const back = ground(node), front = over(parse(style.color), back);
    const [a, b] = [light(front), light(back)].sort((one, other) => other - one);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push([node.className || node.tagName, node.textContent.slice(0, 30), ratio.toFixed(2)]);
    if (parseFloat(style.fontSize) < 11.5) faint.push([node.className, 'small', style.fontSize]);
  }
  return faint;
}
"""  # noqa: E501


def test_contrast_names_and_calm(server: Any, browser: Any, context: Any, owner: str) -> None:
    server.shelve(owner)
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter()
    faint = list(page.evaluate(CONTRAST))
    page.evaluate(
        "window.moved = 0; new PerformanceObserver((list) => { for (const e of list.getEntries())"
        " window.moved += e.value; }).observe({ type: 'layout-shift', buffered: false })"
    )
    for place in range(page.locator(".sentence").count()):
        page.locator(".sentence").nth(place).hover()
    page.evaluate(PAINTED)
    assert page.evaluate("window.moved") < 0.01
    sentence(page, "enlarged").click()
    page.keyboard.press("e")
    page.fill(".editor textarea", "The heart is normal in size.")
    page.wait_for_selector(".editor .note.bad")
    faint += page.evaluate(CONTRAST)
    page.keyboard.press("Enter")
    page.wait_for_selector(".sentence[data-standing=reworded]")
    for key in ("l", "g"):
        page.keyboard.press(key)
    for tab in ("ask", "check", "about"):
        page.click(f"[data-tab={tab}]")
        faint += page.evaluate(CONTRAST)
    page.keyboard.press("s")
    faint += page.evaluate(CONTRAST)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    faint += page.evaluate(CONTRAST)
    assert faint == []
    page.keyboard.press("Escape")
    nameless = page.evaluate(
        "[...document.querySelectorAll('.app button, .app input, .app textarea, .app canvas')]"
        ".filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels"
        " && one.labels.length)).map((one) => one.outerHTML)"
    )
    assert nameless == []
    visitor.leave()


def test_the_page_looks_as_its_pictures(
    server: Any, browser: Any, context: Any, owner: str
) -> None:
    import io

    import numpy as np
    from PIL import Image

    def small(content: bytes) -> Any:
        grey = Image.open(io.BytesIO(content)).convert("L").resize((160, 90))
        return np.asarray(grey, dtype=float)

    server.shelve(owner)
    visitor = Visitor(browser, server, owner, context)
    page = visitor.enter()
    for width, height in ((1920, 1080), (1024, 700), (683, 384), (360, 640), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(PAINTED)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth && scrollX === 0")
        assert page.evaluate(CUT) == [], f"buttons cut off at {width} px"
        if width < 1366:  # also as 1366 pixels are at twice the size
            continue
        name = "room.png" if width == 1366 else f"room-{width}.png"
        picture = SAMPLES.parent / "pictures" / name
        difference = np.abs(small(page.screenshot()) - small(picture.read_bytes())).mean()
        assert difference < 6, f"{difference:.1f} of 255 grey levels from {picture.name}"
    visitor.leave()
