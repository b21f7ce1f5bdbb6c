"""The room over the Model Context Protocol, driven by the protocol's own client over stdio."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the Model Context Protocol's library is not installed")

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from agents.room import Room
from agents.settings import Settings
from findings.errors import UserInputError
from tools.contract import Role
from ui.api.guard import THIS_MACHINE
from ui.mcp.desk import Desk
from ui.mcp.files import StudyFolder
from ui.mcp.server import RoomServer

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
NOT_THERE = "0" * 16


@dataclass
class Session:
    """A client's connection, used from plain functions."""

    portal: BlockingPortal
    client: Client

    def call(self, tool: str, **arguments: object) -> Any:
        answer = self.portal.call(self.client.call_tool, tool, arguments)
        assert not answer.is_error, answer.content
        return answer.structured_content

    def refused(self, tool: str, **arguments: object) -> str:
        answer = self.portal.call(self.client.call_tool, tool, arguments)
        assert answer.is_error
        return str(answer.content[0].text)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server may read: two samples, and a link that leads out of it."""
    folder = tmp_path_factory.mktemp("Doe^Jane")
    shutil.copy(SAMPLES / "cardiomegaly.png", folder)
    (folder / "series").mkdir()
    shutil.copy(SAMPLES / "effusion.dcm", folder / "series")
    (folder / "way_out.png").symlink_to(SAMPLES / "normal.png")
    return folder


@pytest.fixture(scope="module")
def session(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A client of `readingroom mcp`, which runs in a process of its own."""
    home = tmp_path_factory.mktemp("home")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "ui.cli.main", "mcp", "--studies", str(studies)],
        cwd=Path(__file__).parents[2],
        env={
            "READINGROOM_DATA_DIR": str(home / "data"),
            "READINGROOM_CACHE_DIR": str(home / "cache"),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        },
    )
    with start_blocking_portal() as portal:
        connection = Client(server, read_timeout_seconds=240)
        with portal.wrap_async_context_manager(connection) as client:
            yield Session(portal, client)


@pytest.fixture(scope="module")
def drafted(session: Session) -> str:
    """A study given and drafted over the protocol."""
    study = session.call("add_study", path="cardiomegaly.png")
    assert study["state"] == "new"
    told: list[tuple[float, str | None]] = []

    async def progress(share: float, total: float | None, message: str | None) -> None:
        told.append((share, message))

    async def draft() -> Any:
        arguments = {"study_id": study["id"], "aggregator": "phraser"}
        return await session.client.call_tool("draft", arguments, progress_callback=progress)

    answer = session.portal.call(draft)
    assert answer.structured_content["status"] == "verified"
    assert any(message and message.startswith("experts.") for _, message in told)
    assert all(0 <= share <= 1 for share, _ in told)
    return str(study["id"])


def test_every_expert_and_every_job_is_a_tool(session: Session) -> None:
    tools = {tool.name: tool for tool in session.portal.call(session.client.list_tools).tools}
    jobs = {"list_studies", "add_study", "draft", "get_draft", "get_evidence", "ask", "review"}
    assert set(tools) == jobs | {role.value for role in Role}
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert tools["classifier"].annotations.read_only_hint


def test_a_draft_with_its_evidence(session: Session, drafted: str) -> None:
    draft = session.call("get_draft", study_id=drafted)
    sentences = [s for section in draft["sections"] for s in section["sentences"]]
    cited = {key for sentence in sentences for key in sentence["evidence"]}
    assert cited
    found = session.call("get_evidence", study_id=drafted, ids=sorted(cited))["evidence"]
    assert {item["id"] for item in found} == cited
    assert not any("mask" in item for item in found)
    hearts = session.call("get_evidence", study_id=drafted, finding="cardiomegaly")["evidence"]
    assert hearts and all(item["finding"] == "cardiomegaly" for item in hearts)
    assert drafted in [s["id"] for s in session.call("list_studies")["studies"]]


def test_questions_and_reviews(session: Session, drafted: str) -> None:
    answer = session.call("ask", study_id=drafted, question="Is the heart enlarged?")
    assert answer["answer"].startswith("Yes") and answer["details"]["evidence"]
    more = session.call("ask", study_id=drafted, question="how sure are you?")
    assert more["details"]["claims"][0]["finding"] == "cardiomegaly"
    review = session.call("review", study_id=drafted, report="The heart is normal in size.")
    assert "missed" in {item["type"] for item in review["items"]}


def test_an_expert_is_asked_by_itself(session: Session, drafted: str) -> None:
    found = session.call("classifier", study_id=drafted, finding="cardiomegaly")["evidence"]
    assert found and all(item["kind"] == "classification" for item in found)
    ratio = session.call("measurer", study_id=drafted)["evidence"]
    assert "cardiothoracic_ratio" in {item["measurement"]["name"] for item in ratio}
    assert "is installed" in session.refused("vision_language", study_id=drafted)


def test_drafts_are_resources(session: Session, drafted: str) -> None:
    listed = session.portal.call(session.client.list_resources).resources
    uris = [str(item.uri) for item in listed]
    assert f"readingroom://studies/{drafted}/draft" in uris
    [whole] = session.portal.call(session.client.read_resource, uris[0]).contents
    assert json.loads(whole.text)["schema"] == "readingroom/draft/1"
    [report] = session.portal.call(session.client.read_resource, uris[1]).contents
    assert "Impression" in report.text
    for uri in (f"readingroom://studies/{NOT_THERE}/draft", "readingroom://studies/..%2f/draft"):
        with pytest.raises(MCPError):
            session.portal.call(session.client.read_resource, uri)


def test_a_folder_is_one_study(session: Session) -> None:
    assert session.call("add_study", path="series")["state"] == "new"


@pytest.mark.parametrize(
    "path", ["../x.png", "/etc/passwd", "way_out.png", ".", "absent.png", "a\0b", "x" * 900]
)
def test_no_path_leads_out_of_the_folder(session: Session, studies: Path, path: str) -> None:
    told = session.refused("add_study", path=path)
    assert "Doe" not in told and str(studies) not in told and path[:20] not in told.split()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_draft", {"study_id": "../../Doe^Jane"}),
        ("get_draft", {"study_id": NOT_THERE}),
        ("get_evidence", {"study_id": NOT_THERE, "finding": "Doe^Jane"}),
        ("ask", {"study_id": NOT_THERE, "question": "Doe^Jane " * 1000}),
        ("ask", {"study_id": NOT_THERE, "question": "?", "thread": "Doe^Jane/.."}),
        ("review", {"study_id": NOT_THERE, "report": "Doe^Jane " * 20_000}),
        ("draft", {"study_id": NOT_THERE, "language": "Doe^Jane"}),
        ("classifier", {"study_id": NOT_THERE}),
        ("classifier", {}),
    ],
)
def test_what_cannot_be_done_is_told_and_not_echoed(
    session: Session, tool: str, arguments: dict[str, object]
) -> None:
    assert "Doe" not in session.refused(tool, **arguments)


def in_process(desk: Desk, seconds: float, tool: str, arguments: dict[str, object]) -> Any:
    async def ask() -> Any:
        async with Client(RoomServer(desk, seconds)) as client:
            return await client.call_tool(tool, arguments)

    with start_blocking_portal() as portal:
        return portal.call(ask)


def test_a_call_that_takes_too_long_or_breaks_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    room = Room(Settings(data_dir=tmp_path), tmp_path)
    desk = Desk(room, THIS_MACHINE, StudyFolder(None))
    until = Event()
    try:
        monkeypatch.setattr(desk, "list_studies", lambda: until.wait(20))
        late = in_process(desk, 0.2, "list_studies", {})
        assert late.is_error and "longer than 0.2 seconds" in late.content[0].text

        def broken() -> None:
            raise RuntimeError("Doe^Jane")

        monkeypatch.setattr(desk, "list_studies", broken)
        fault = in_process(desk, 20, "list_studies", {})
        assert fault.is_error and "RuntimeError" in fault.content[0].text
        assert "Doe" not in fault.content[0].text
    finally:
        until.set()
        room.close()


def test_without_a_folder_no_file_is_read() -> None:
    with pytest.raises(UserInputError, match="--studies"):
        StudyFolder(None).read("film.png")


def test_over_http_only_this_machine_is_answered(tmp_path: Path) -> None:
    import httpx2

    room = Room(Settings(data_dir=tmp_path), tmp_path)
    server = RoomServer(Desk(room, THIS_MACHINE, StudyFolder(None)), 20)
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"Accept": "application/json, text/event-stream"}

    async def ask() -> list[int]:
        codes = []
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport) as client:
                for host, origin in (
                    ("127.0.0.1:8766", None),
                    ("evil.example", None),
                    ("127.0.0.1:8766", "https://evil.example"),
                ):
                    headers = accepted | ({"Origin": origin} if origin else {})
                    answer = await client.post(f"http://{host}/mcp", json=body, headers=headers)
                    codes.append(answer.status_code)
        return codes

    try:
        with start_blocking_portal() as portal:
            first, elsewhere, page = portal.call(ask)
        assert first == 200 and elsewhere == 421 and page == 403
    finally:
        room.close()
