"""Hostile bodies, file names and uploads: each is answered in a sentence that repeats nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.room import Room, Shelf
from agents.settings import ApiSettings, Settings
from ui.api.app import create_app
from ui.api.guard import THIS_MACHINE

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
SECRET = "Doe^Jane"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str, Path]]:
    """A client of a room with one drafted study, the study's id, and the room's folder."""
    folder = tmp_path_factory.mktemp("room")
    chosen = Settings(
        data_dir=folder, cache_dir=folder / "cache", api=ApiSettings(requests_per_minute=1_000_000)
    )
    study = Shelf(folder / "room", THIS_MACHINE).add((SAMPLES / "effusion.png").read_bytes())
    study.draft_folder.mkdir()
    draft = SAMPLES / "drafts" / "effusion" / "draft.json"
    (study.draft_folder / "draft.json").write_bytes(draft.read_bytes())
    app = create_app(chosen, Room(chosen, folder / "room", waiting=0))
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client, study.id, folder / "room"


def told(answer: object) -> str:
    """The error's sentence; every refusal has the same shape."""
    body = answer.json()  # type: ignore[attr-defined]
    assert set(body) == {"error"} and body["error"], body
    assert SECRET not in body["error"] and "Traceback" not in body["error"]
    return str(body["error"])


@pytest.mark.parametrize("path", ["ask", "review", "draft"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"question": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1e999999",
        b'{"question": NaN}',
        json.dumps({"question": SECRET, SECRET: 1}).encode(),
        b'{"question": "\\ud800", "report": "\\ud800", "indication": "\\udfff"}',
        b'{"question": {"$gt": ""}, "report": [1], "language": "../../x"}',
        b'{"question": "a", "thread": "../../etc/passwd", "report": 5, "aggregator": "rm -rf"}',
    ],
    ids=range(11),
)
def test_a_hostile_body_is_refused(
    room: tuple[TestClient, str, Path], path: str, body: bytes
) -> None:
    client, key, _ = room
    answer = client.post(f"/v1/studies/{key}/{path}", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    told(answer)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        f"{SECRET}.dcm",
        "a\x00b",
        "x" * 900,
        "<script>",
        "..",
        "C:\\x",
        "é☃",
    ],
)
def test_a_file_name_is_neither_used_nor_kept(
    room: tuple[TestClient, str, Path], name: str
) -> None:
    client, _, folder = room
    given = client.post("/v1/studies", files={"study": (name, b"\x89PNG not a picture")})
    assert given.status_code == 201, given.text
    kept = [path.name for path in folder.rglob("*")]
    assert not any(SECRET in one or "passwd" in one or "script" in one for one in kept)
    assert client.delete(f"/v1/studies/{given.json()['id']}").status_code == 204


def archive(names: list[str], content: bytes = b"x") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (archive([f"../../{SECRET}.dcm"]), {201}),
        (archive([str(n) for n in range(401)]), {422}),
        (archive(["a"])[:40], {422}),
        (b"PK\x03\x04" + b"\x00" * 500, {422}),
        (b"", {400}),
    ],
    ids=["path", "many", "cut", "empty-zip", "empty"],
)
def test_a_hostile_upload_ends_in_a_sentence(
    room: tuple[TestClient, str, Path], content: bytes, statuses: set[int]
) -> None:
    client, _, folder = room
    answer = client.post("/v1/studies", files={"study": ("x", content)})
    assert answer.status_code in statuses, answer.text
    if answer.status_code != 201:
        told(answer)
    assert not list(folder.parent.rglob(f"*{SECRET}*"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"--x\r\nContent-Disposition: form-data; name=study\r\n\r\nDoe^Jane\r\n--x--", "x"),
        (b"--y\r\n\r\n", "x"),
        (b"no form at all", "x"),
        (b"--x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n", "x"),
    ],
)
def test_a_broken_form_is_refused(
    room: tuple[TestClient, str, Path], content: bytes, kind: str
) -> None:
    client, _, _ = room
    headers = {"Content-Type": f"multipart/form-data; boundary={kind}"}
    answer = client.post("/v1/studies", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    told(answer)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=300), way=st.sampled_from(["ask", "review", "chat"]))
def test_any_words_are_answered(room: tuple[TestClient, str, Path], text: str, way: str) -> None:
    client, key, _ = room
    path, body = {
        "ask": (f"/v1/studies/{key}/ask", {"question": text}),
        "review": (f"/v1/studies/{key}/review", {"report": text}),
        "chat": (
            "/v1/chat/completions",
            {"model": f"readingroom:{key}", "messages": [{"role": "user", "content": text}]},
        ),
    }[way]
    answer = client.post(path, json=body)
    assert answer.status_code in (200, 400, 422), answer.text
    if answer.status_code != 200:
        told(answer)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "DELETE"])
def test_a_wrong_method_or_path_has_the_same_shape(
    room: tuple[TestClient, str, Path], method: str
) -> None:
    client, _, _ = room
    wrong = client.request(method, "/v1/studies")
    assert wrong.status_code == 405 and "allow" in wrong.headers
    told(wrong)
    lost = client.request(method, f"/v1/{SECRET}")
    assert lost.status_code == 404
    told(lost)


def test_a_fault_of_the_program_tells_its_kind_and_nothing_else(
    room: tuple[TestClient, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    client, key, _ = room
    monkeypatch.setattr(Room, "draft", broken)
    answer = client.get(f"/v1/studies/{key}/draft")
    assert answer.status_code == 500 and "RuntimeError" in told(answer)
