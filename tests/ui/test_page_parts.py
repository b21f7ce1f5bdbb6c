"""The page's server side: what it shows, whom it lets in, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from agents.editing import PersonAct, act_on, open_book
from agents.room import Room
from agents.settings import Settings
from findings.errors import StudyError, UserInputError
from findings.vocabulary import Language
from imaging.loading import load_study
from reporting.draft import DraftStatus
from reporting.limits import limits
from ui.web.calls import Calls
from ui.web.door import COOKIE, browser_of
from ui.web.film import film_view
from ui.web.page import SCRIPTS, build_page, served
from ui.web.report import evidence_view, report_view
from ui.web.shapes import Asked, DraftWanted, Given, Heard, Nothing, OfStudy, Since

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
ASSETS = Path(__file__).parents[2] / "ui" / "web" / "assets"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(Settings(data_dir=tmp_path, cache_dir=tmp_path / "cache"), tmp_path / "room")
    yield made
    made.close()


def test_the_viewer_is_given_every_grey_value_of_a_deep_film() -> None:
    image = load_study(SAMPLES / "cardiomegaly.dcm").frontal
    film = film_view(image)
    assert image.bits_stored > 8 and film["levels"] == 4095
    content = base64.b64decode(film["picture"].partition(",")[2])
    packed = np.asarray(Image.open(io.BytesIO(content)), dtype=np.uint16)
    grey = packed[..., 0] * 256 + packed[..., 1]
    assert grey.shape == (image.height, image.width)
    masked = np.abs(grey / 4095 - image.display) > 1 / 4095
    assert masked.mean() < 0.02, "only burned-in text may differ"
    assert film["spacing"]["row"] > 0 and film["view"] == "PA"


def test_a_film_of_eight_bits_is_sent_as_such() -> None:
    film = film_view(load_study(SAMPLES / "normal.png").frontal)
    assert film["levels"] == 255 and film["spacing"] is None
    content = base64.b64decode(film["picture"].partition(",")[2])
    assert Image.open(io.BytesIO(content)).mode == "L"


def test_sentences_name_evidence_that_is_there_and_outlines_lie_on_the_film() -> None:
    book, draft = open_book(SAMPLES / "drafts" / "cardiomegaly")
    shown = json.loads(json.dumps(report_view(draft, book, has_prior=False)))
    basis = json.loads(json.dumps(evidence_view(draft)))
    for sentence in shown["sentences"]:
        assert set(sentence["evidence"]) <= set(basis["evidence"])
        assert set(sentence["entries"]) <= set(basis["ledger"])
    image = load_study(SAMPLES / "cardiomegaly.dcm").frontal
    rings = [ring for item in basis["evidence"].values() for ring in item.get("outlines", [])]
    assert len(rings) >= 5
    for ring in rings:
        assert all(0 <= x <= image.width and 0 <= y <= image.height for x, y in ring)


def test_what_the_report_leaves_out_is_shown_in_its_language_and_when_signed(
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(SAMPLES / "drafts" / "cardiomegaly", tmp_path / "draft"))
    book, draft = open_book(folder)
    signed = draft.model_copy(update={"status": DraftStatus.SIGNED})
    for one in (draft, signed):
        shown = report_view(one, book, has_prior=False)["limits"]
        assert shown["texts"] == list(limits(draft)) != []
        assert shown["heading"] == "What this report leaves out"
    spanish = PersonAct(act="translate", language=Language.SPANISH)
    act_on(folder, spanish, has_prior=False, load=lambda: load_study(SAMPLES / "cardiomegaly.dcm"))
    book, draft = open_book(folder)
    shown = report_view(draft, book, has_prior=False)["limits"]
    assert shown["heading"] == "Lo que este informe no abarca"
    assert "ningún experto en uso" in shown["texts"][-1]


def test_only_what_was_uploaded_is_read(room: Room, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    calls = Calls(room, uploads)
    (uploads / "good").write_bytes((SAMPLES / "normal.png").read_bytes())
    (uploads / "link").symlink_to(SAMPLES / "normal.png")
    for path in ("/etc/passwd", str(uploads / ".." / "x"), str(uploads / "link"), "normal.png"):
        with pytest.raises(UserInputError, match="did not arrive"):
            calls.give("a", Given(path=path))
    kept = calls.give("a", Given(path=str(uploads / "good")))
    assert not (uploads / "good").exists()
    assert calls.open("a", OfStudy(study=kept["study"]))["film"]["levels"] == 255
    with pytest.raises(UserInputError, match="no study"):
        calls.open("b", OfStudy(study=kept["study"]))


def test_an_answer_tells_its_writer_and_its_edit_is_remarked_on_apart(
    room: Room, tmp_path: Path
) -> None:
    kept = room.shelf("a").add((SAMPLES / "cardiomegaly.dcm").read_bytes())
    shutil.copytree(SAMPLES / "drafts" / "cardiomegaly", kept.draft_folder)
    calls = Calls(room, tmp_path)
    asked = Asked(study=kept.id, question="añade: derecho neumotórax a tensión")
    turn = json.loads(json.dumps(calls.ask("a", asked)))
    assert (turn["writer"], turn["model"], turn["note"], turn["language"]) == (
        "rules",
        "",
        "",
        "es",
    )
    assert turn["edit"]["notes"] and all(n not in turn["answer"] for n in turn["edit"]["notes"])
    assert "Releído" not in turn["answer"]
    assert calls.open("a", OfStudy(study=kept.id))["said"] == [turn]


def test_what_is_being_written_is_heard_by_its_owner_until_the_answer_stands(
    room: Room, tmp_path: Path
) -> None:
    kept = room.shelf("a").add((SAMPLES / "normal.png").read_bytes())
    calls = Calls(room, tmp_path)
    room.words.write(kept.id, "The heart")
    room.words.write(kept.id, "The heart is")
    news = calls.hearing("a", Heard(study=kept.id))
    assert news == {"words": "The heart is", "seen": 2}
    with pytest.raises(UserInputError, match="no study"):
        calls.hearing("b", Heard(study=kept.id))
    room.words.end(kept.id)
    assert calls.hearing("a", Heard(study=kept.id, seen=2))["words"] == ""


def test_what_cannot_be_read_is_not_kept(room: Room, tmp_path: Path) -> None:
    calls = Calls(room, tmp_path)
    (tmp_path / "bad").write_bytes(b"no picture at all")
    with pytest.raises(StudyError):
        calls.give("a", Given(path=str(tmp_path / "bad")))
    assert room.shelf("a").all() == ()


def test_a_prior_that_can_be_none_is_refused_and_the_study_kept(room: Room, tmp_path: Path) -> None:
    calls = Calls(room, tmp_path)
    for name in ("effusion_prior", "cardiomegaly"):  # of the same patient, and of another
        for which, sample in (("study", "effusion"), ("prior", name)):
            (tmp_path / which).write_bytes((SAMPLES / f"{sample}.dcm").read_bytes())
        given = Given(path=str(tmp_path / "study"), prior=str(tmp_path / "prior"))
        if name == "cardiomegaly":
            with pytest.raises(StudyError, match="patient"):
                calls.give("a", given)
        else:
            kept = calls.give("a", given)
            assert calls.open("a", OfStudy(study=kept["study"]))["priors"][0]["days"] == 90
    assert [len(study.priors) for study in room.shelf("a").all()] == [1, 0]


def test_a_prior_that_the_gate_refuses_is_told_plainly_and_the_study_kept(
    room: Room, tmp_path: Path
) -> None:
    calls = Calls(room, tmp_path)
    (tmp_path / "study").write_bytes((SAMPLES / "normal.png").read_bytes())
    Image.linear_gradient("L").resize((512, 512)).save(tmp_path / "prior", format="png")
    given = Given(path=str(tmp_path / "study"), prior=str(tmp_path / "prior"))
    kept = OfStudy(study=calls.give("a", given)["study"])
    calls.start("a", DraftWanted(study=kept.study))
    assert [event for event in room.board.watch(kept.study) if event is not None]
    told = calls.progress("a", Since(study=kept.study))
    assert told["over"] and told["state"] == "refused"
    assert told["detail"].startswith("The prior was refused as no frontal chest radiograph:")
    assert told["detail"].endswith("Give a frontal chest film of an earlier day, or no prior.")
    (card,) = calls.worklist("a", Nothing())["studies"]
    assert (card["state"], card["detail"]) == ("refused", told["detail"])
    assert calls.open("a", kept)["film"] and calls.open("a", kept)["report"] is None


def test_calls_refuse_what_they_do_not_know(room: Room, tmp_path: Path) -> None:
    calls = {call.__name__: call for call in served(Calls(room, tmp_path))}

    def asks(cookie: str) -> SimpleNamespace:
        return SimpleNamespace(app=None, headers={"cookie": cookie}, cookies={})

    known = asks(f"{COOKIE}={'a' * 40}")

    wrong: list[Any] = [
        None,
        [],
        {"study": "../.."},
        {"study": "x", "more": 1},
        {"study": "f" * 16},
    ]
    for payload in wrong:
        assert set(calls["do_open"](payload, known)) == {"error"}
    assert calls["do_worklist"]({}, known)["studies"] == []
    assert "cookies" in calls["do_worklist"]({}, asks(""))["error"]


@pytest.mark.parametrize("cookies", ["", "x=1", f"{COOKIE}=short", f"{COOKIE}=../../{'a' * 40}"])
def test_a_browser_is_known_by_a_whole_token_only(cookies: str) -> None:
    assert browser_of(cookies) is None
    assert browser_of(f"x=1; {COOKIE}={'a' * 43}; y=2") == "a" * 43


def test_texts_reach_the_page_as_text_only() -> None:
    scripts = "\n".join((ASSETS / name).read_text("utf-8") for name in SCRIPTS)
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in scripts
    for name in ("room.html", "room.css", *SCRIPTS):
        text = (ASSETS / name).read_text("utf-8")
        assert "http://" not in text and "https://" not in text, name


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _call(client: httpx.Client, page: Any, name: str, payload: dict[str, Any]) -> httpx.Response:
    component = next(key for key, block in page.blocks.items() if block.elem_id == "room")
    body = {"data": payload, "component_id": component, "fn_name": f"do_{name}"}
    body["session_hash"] = "test"
    return client.post("/gradio_api/component_server", json=body)


def test_the_door_knows_browsers_and_closes_the_hosts(room: Room, free_port: int) -> None:
    from ui.web.page import launch

    page = build_page(room)
    launch(page, "127.0.0.1", free_port, [], block=False)
    address = f"http://127.0.0.1:{free_port}"
    try:
        with (
            httpx.Client(base_url=address, timeout=60) as one,
            httpx.Client(base_url=address, timeout=60) as other,
        ):
            first = one.get("/")
            cookie = first.headers["set-cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
            assert "connect-src 'self'" in first.headers["content-security-policy"]
            assert first.headers["x-frame-options"] == "DENY"
            assert "set-cookie" not in one.get("/").headers
            kept = room.shelf(one.cookies[COOKIE]).add((SAMPLES / "normal.png").read_bytes())
            assert len(_call(one, page, "worklist", {}).json()["studies"]) == 1
            other.get("/")
            assert _call(other, page, "worklist", {}).json()["studies"] == []
            assert "no study" in _call(other, page, "open", {"study": kept.id}).json()["error"]
            for wrong in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
                assert one.get("/", headers=wrong).status_code == 403
    finally:
        page.close()


def test_with_passwords_a_name_keeps_its_studies_in_any_browser(room: Room, free_port: int) -> None:
    from ui.web.page import launch

    page = build_page(room)
    launch(page, "127.0.0.1", free_port, [("ana", "one"), ("bo", "two")], block=False)
    address = f"http://127.0.0.1:{free_port}"
    try:
        with httpx.Client(base_url=address, timeout=60) as nobody:
            nobody.get("/")
            assert _call(nobody, page, "worklist", {}).status_code == 401
            wrong = nobody.post("/login", data={"username": "ana", "password": "two"})
            assert wrong.status_code == 400
        room.shelf("user:ana").add((SAMPLES / "normal.png").read_bytes())
        for name, password, count in (("ana", "one", 1), ("bo", "two", 0), ("ana", "one", 1)):
            with httpx.Client(base_url=address, timeout=60) as browser:
                entered = browser.post("/login", data={"username": name, "password": password})
                assert entered.status_code == 200
                for cookie in browser.cookies.jar:
                    cookie.secure = False
                told = _call(browser, page, "worklist", {}).json()
                assert (told["user"], len(told["studies"])) == (name, count)
    finally:
        page.close()


def test_the_command_asks_for_a_password_beyond_this_machine() -> None:
    from click.testing import CliRunner

    from findings.errors import SettingsError
    from ui.cli.room import ui

    for arguments in (["--host", "0.0.0.0"], ["--auth", "name"], ["--auth", ":x"]):
        assert isinstance(CliRunner().invoke(ui, arguments).exception, SettingsError)


def test_a_study_that_is_signed_cannot_be_drafted_again(room: Room, tmp_path: Path) -> None:
    kept = room.shelf("a").add((SAMPLES / "cardiomegaly.dcm").read_bytes())
    shutil.copytree(SAMPLES / "drafts" / "cardiomegaly", kept.draft_folder)
    content = json.loads((kept.draft_folder / "draft.json").read_text())
    (kept.draft_folder / "draft.json").write_text(json.dumps({**content, "status": "signed"}))
    calls = Calls(room, tmp_path)
    with pytest.raises(UserInputError, match="signed"):
        calls.start("a", DraftWanted(study=kept.id))
    with pytest.raises(UserInputError, match="signed"):
        calls.remove("a", OfStudy(study=kept.id))
