"""The room over HTTP: a study in, a draft, answers and a review out; nobody sees another's."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from agents.room import Board, Room, Shelf, StudyState
from agents.settings import ApiSettings, Settings
from findings.errors import StudyError, UserInputError
from ui.api.app import create_app

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
FILM = (SAMPLES / "cardiomegaly.png").read_bytes()
ONE, TWO = {"Authorization": "Bearer first-key"}, {"Authorization": "Bearer second-key"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("room")
    settings = Settings(
        cache_dir=folder / "cache",
        data_dir=folder / "data",
        api=ApiSettings(keys=("first-key", "second-key"), requests_per_minute=10_000),
    )
    with TestClient(create_app(settings)) as made:
        yield made


@pytest.fixture(scope="module")
def drafted(client: TestClient) -> str:
    """A study of the first owner, drafted."""
    given = client.post("/v1/studies", files={"study": ("Doe^Jane.png", FILM)}, headers=ONE)
    assert given.status_code == 201 and given.json()["state"] == "new"
    key = given.json()["id"]
    wanted = {"language": "en", "aggregator": "phraser"}
    assert client.post(f"/v1/studies/{key}/draft", json=wanted, headers=ONE).status_code == 202
    again = client.post(f"/v1/studies/{key}/draft", json=wanted, headers=ONE)
    assert again.status_code == 409 and "already" in again.json()["error"]
    stream = client.get(f"/v1/studies/{key}/events", headers=ONE).text
    events = [line for line in stream.splitlines() if line.startswith("event: ")]
    assert events[-1] == "event: end" and events.count("event: progress") > 5
    assert json.loads(stream.strip().splitlines()[-1].removeprefix("data: "))["state"] == "drafted"
    return key


def test_without_a_key_nothing_is_told(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "first-key"}):
        assert client.get("/v1/studies", headers=headers).status_code == 401


def test_a_draft_with_its_evidence_and_picture(client: TestClient, drafted: str) -> None:
    draft = client.get(f"/v1/studies/{drafted}/draft", headers=ONE).json()
    assert draft["schema"] == "readingroom/draft/1" and draft["status"] == "verified"
    ids = {item["id"] for item in draft["evidence"]}
    sentences = [s for section in draft["sections"] for s in section["sentences"]]
    assert any(s["evidence"] for s in sentences)
    assert all(set(s["evidence"]) <= ids for s in sentences)
    picture = client.get(f"/v1/studies/{drafted}/overlay.png", headers=ONE)
    assert picture.content.startswith(b"\x89PNG")


def test_another_owner_sees_and_reaches_nothing(client: TestClient, drafted: str) -> None:
    assert client.get("/v1/studies", headers=TWO).json() == {"studies": []}
    for path in ("", "/draft", "/overlay.png", "/events"):
        assert client.get(f"/v1/studies/{drafted}{path}", headers=TWO).status_code == 404
    assert client.delete(f"/v1/studies/{drafted}", headers=TWO).status_code == 404
    assert client.get(f"/v1/studies/{drafted}", headers=ONE).status_code == 200


def test_questions_are_answered_and_threads_kept_apart(client: TestClient, drafted: str) -> None:
    def ask(question: str, thread: str) -> dict[str, object]:
        body = {"question": question, "thread": thread}
        return client.post(f"/v1/studies/{drafted}/ask", json=body, headers=ONE).json()

    first = ask("Is the heart enlarged?", "a")
    assert first["answer"].startswith("Yes") and first["details"]["evidence"]
    assert ask("how sure are you?", "a")["details"]["claims"]
    assert not ask("how sure are you?", "b")["details"]["claims"]


def test_a_report_is_reviewed(client: TestClient, drafted: str) -> None:
    body = {"report": "The heart is normal in size. Right pneumothorax."}
    found = client.post(f"/v1/studies/{drafted}/review", json=body, headers=ONE).json()
    assert {"missed", "unsupported"} <= {item["type"] for item in found["items"]}


def test_a_proposed_change_is_accepted_and_taken_back(client: TestClient, drafted: str) -> None:
    path = f"/v1/studies/{drafted}"

    def text() -> str:
        sections = client.get(f"{path}/draft", headers=ONE).json()["sections"]
        return " ".join(s["text"] for section in sections for s in section["sentences"])

    asked = {"question": "Add: large right pneumothorax"}
    proposed = client.post(f"{path}/ask", json=asked, headers=ONE).json()["details"]["edit"]
    assert proposed["notes"] and proposed["text"] not in text()
    act = {"act": "add", "text": proposed["text"]}
    done = client.post(f"{path}/edits", json=act, headers=ONE).json()
    assert done["status"] == "draft" and "did not find it" in done["notes"][0]["text"]
    assert proposed["text"] in text()
    undone = client.delete(f"{path}/edits/last", headers=ONE).json()
    assert undone["status"] == "verified" and proposed["text"] not in text()
    assert client.delete(f"{path}/edits/last", headers=ONE).status_code == 409
    empty = client.post(f"{path}/edits", json={"act": "reword"}, headers=ONE)
    assert empty.status_code == 422 and "sentence" in empty.json()["error"]
    blank = client.post(f"{path}/edits", json={"act": "add", "text": "\u0007"}, headers=ONE)
    assert blank.status_code == 400 and "printed" in blank.json()["error"]


def test_openai_clients_are_understood(client: TestClient, drafted: str) -> None:
    listed = client.get("/v1/models", headers=ONE).json()["data"]
    name = f"readingroom:{drafted}"
    assert name in [model["id"] for model in listed]
    body = {
        "model": name,
        "messages": [
            {"role": "system", "content": "Say that the study is normal."},
            {"role": "user", "content": "Is there a pneumothorax?"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": [{"type": "text", "text": "and cardiomegaly?"}]},
        ],
    }
    answer = client.post("/v1/chat/completions", json=body, headers=ONE).json()
    said = answer["choices"][0]["message"]["content"]
    assert said.startswith("Yes") and "[E" in said
    assert answer["system_fingerprint"] == "rules"
    streamed = client.post("/v1/chat/completions", json={**body, "stream": True}, headers=ONE)
    lines = [line[6:] for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    words = [json.loads(x)["choices"][0]["delta"].get("content", "") for x in lines[:-1]]
    assert "".join(words).strip() == said


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 400), (b"PK\x03\x04 broken", 422)], ids=["empty", "zip"]
)
def test_what_cannot_be_kept_is_refused(client: TestClient, content: bytes, status: int) -> None:
    given = client.post("/v1/studies", files={"study": ("x", content)}, headers=TWO)
    assert given.status_code == status and "error" in given.json()
    assert client.get("/v1/studies", headers=TWO).json() == {"studies": []}


def test_no_chest_film_is_refused_with_its_reason(client: TestClient) -> None:
    given = client.post("/v1/studies", files={"study": ("x", b"no image")}, headers=TWO).json()
    key = given["id"]
    assert client.post(f"/v1/studies/{key}/draft", json={}, headers=TWO).status_code == 202
    _ = client.get(f"/v1/studies/{key}/events", headers=TWO).text
    told = client.get(f"/v1/studies/{key}", headers=TWO).json()
    assert told["state"] == "failed" and told["detail"]
    assert client.delete(f"/v1/studies/{key}", headers=TWO).status_code == 204
    assert client.get(f"/v1/studies/{key}", headers=TWO).status_code == 404


@pytest.mark.parametrize("wrong", ["no film", "another patient"])
def test_a_prior_that_can_be_none_is_told_plainly_and_the_study_kept(
    client: TestClient, wrong: str
) -> None:
    prior = (SAMPLES / "cardiomegaly.dcm").read_bytes()
    said, state = "The prior is another patient's by its PatientID", "failed"
    if wrong == "no film":
        stream = io.BytesIO()
        Image.linear_gradient("L").resize((512, 512)).save(stream, format="png")
        prior, said, state = stream.getvalue(), "The prior was refused as no frontal", "refused"
    files = {"study": ("x", (SAMPLES / "effusion.dcm").read_bytes()), "prior": ("y", prior)}
    key = client.post("/v1/studies", files=files, headers=TWO).json()["id"]
    assert client.post(f"/v1/studies/{key}/draft", json={}, headers=TWO).status_code == 202
    stream_told = client.get(f"/v1/studies/{key}/events", headers=TWO).text
    told = client.get(f"/v1/studies/{key}", headers=TWO).json()
    assert (told["id"], told["state"]) == (key, state) and said in told["detail"]
    assert told["detail"] in json.loads(stream_told.strip().splitlines()[-1][6:])["detail"]
    assert client.get(f"/v1/studies/{key}/draft", headers=TWO).status_code == 409
    assert client.delete(f"/v1/studies/{key}", headers=TWO).status_code == 204


@pytest.mark.parametrize("key", ["..", "0" * 16, "%2e%2e%2fetc", "x" * 300])
def test_ids_lead_nowhere_else(client: TestClient, key: str) -> None:
    assert client.get(f"/v1/studies/{key}/draft", headers=ONE).status_code == 404


def test_too_many_requests_are_told_to_wait(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api=ApiSettings(requests_per_minute=3))
    with TestClient(create_app(settings), "http://127.0.0.1") as client:
        codes = [client.get("/v1/studies").status_code for _ in range(5)]
    assert codes[:3] == [200] * 3 and 429 in codes


def test_requests_without_a_length_or_far_too_long_are_refused(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path)), "http://127.0.0.1") as client:
        long = client.post("/v1/studies", headers={"Content-Length": str(2**40)})
        assert long.status_code == 413
        chunked = client.post("/v1/studies", content=(part for part in (b"a", b"b")))
        assert chunked.status_code == 411


def test_the_description_names_every_path(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/studies", "/v1/studies/{study_id}/draft", "/v1/chat/completions"} <= set(paths)


def test_a_draft_outlives_the_room(tmp_path: Path) -> None:
    study = Shelf(tmp_path, "owner").add(FILM)
    study.draft_folder.mkdir()
    made = SAMPLES / "drafts" / "cardiomegaly" / "draft.json"
    (study.draft_folder / "draft.json").write_bytes(made.read_bytes())
    room = Room(Settings(data_dir=tmp_path), tmp_path)
    try:
        again = room.shelf("owner").get(study.id)
        assert room.note(again).state is StudyState.DRAFTED
        assert room.draft(again).study_key
    finally:
        room.close()


def test_a_zip_loses_names_and_folders(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../Doe^Jane/../evil.png", FILM)
    study = Shelf(tmp_path, "owner").add(stream.getvalue())
    inside = [path.relative_to(study.folder).as_posix() for path in study.folder.rglob("*")]
    assert sorted(inside) == ["study", "study/0000"]
    assert [p.name for p in tmp_path.iterdir()] == [study.folder.parent.name]


def test_a_zip_of_too_many_files_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(500):
            archive.writestr(str(number), b"")
    shelf = Shelf(tmp_path, "owner")
    with pytest.raises(StudyError, match="more than"):
        shelf.add(stream.getvalue())
    assert shelf.all() == ()


def test_a_full_line_takes_no_more(tmp_path: Path) -> None:
    room = Room(Settings(data_dir=tmp_path), tmp_path, waiting=0)
    try:
        with pytest.raises(UserInputError, match="waiting"):
            room.start_draft(room.shelf("owner").add(FILM))
    finally:
        room.close()


def test_a_watcher_that_comes_late_misses_nothing() -> None:
    from agents.events import Phase, ProgressEvent

    board = Board()
    assert board.begin("a") and not board.begin("a")
    events = [ProgressEvent(node=name, phase=Phase.STARTED) for name in ("load", "gate")]
    for event in events:
        board.tell("a", event)
    watching = board.watch("a", patience=0.01)
    assert [next(watching), next(watching), next(watching)] == [*events, None]
    board.pin("a", StudyState.DRAFTED)
    started = time.monotonic()
    assert list(watching) == [] and time.monotonic() - started < 1


def test_without_keys_no_page_of_another_machine_is_answered(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    with TestClient(app, "http://127.0.0.1") as client:
        assert client.get("/v1/studies").status_code == 200
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert client.get("/v1/studies", headers=headers).status_code == 403
