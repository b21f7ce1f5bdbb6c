"""Who may judge reports, and what another machine is told of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.judging import REMOVED, Judge, served_judge, without_identity
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError, UserInputError


class _Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        raw = b'{"data": [{"id": "large"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def settings(address: str, folder: Path) -> Settings:
    return Settings(cache_dir=folder, llm=LlmSettings(base_url=address, connect_seconds=0.2))


def test_the_only_model_of_a_server_judges(address: str, tmp_path: Path) -> None:
    judge = served_judge(settings(address, tmp_path))
    assert (judge.name, judge.remote) == ("large", False)
    with pytest.raises(BackendError, match="serves large, and not small"):
        served_judge(settings(address, tmp_path), "small")


def test_without_a_server_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="readingroom llm serve"):
        served_judge(settings("http://127.0.0.1:9/v1", tmp_path))


def test_another_machine_is_not_asked_unless_allowed(tmp_path: Path) -> None:
    remote = settings("https://models.invalid/v1", tmp_path)
    with pytest.raises(UserInputError, match="is another machine"):
        served_judge(remote)
    with pytest.raises(BackendError, match="No language model answers"):
        served_judge(remote, allow_remote=True)


def test_only_another_machine_is_told_less() -> None:
    text = "Compared with 02/03/2011."
    near = Judge(None, "m", 1.0)  # type: ignore[arg-type]
    far = Judge(None, "m", 1.0, remote=True)  # type: ignore[arg-type]
    assert near.told(text) == text
    assert far.told(text) == f"Compared with {REMOVED}."


@pytest.mark.parametrize(
    "told",
    [
        "2011-03-02",
        "3.2.2011",
        "March 2, 2011",
        "2 March 2011",
        "3 de enero de 2014",
        "14:30",
        "2:05 p.m.",
        "50414267",
        "MRN-0012345",
        "AB1234567",
        "Dr. Smith",
        "Dra. Núñez",
        "Mrs Anna Maria Jones",
        "someone@hospital.org",
        "https://pacs.hospital.org/study/1",
    ],
)
def test_what_tells_who_it_was_is_taken_out(told: str) -> None:
    found = without_identity(f"Left effusion, seen by {told}, is unchanged.")
    assert REMOVED in found and told not in found
    assert not set("0123456789") & set(found)
    assert found.startswith("Left effusion, seen by ") and found.endswith("is unchanged.")


@pytest.mark.parametrize(
    "kept",
    [
        "A nodule of 12 mm in the right upper lobe.",
        "The cardiothoracic ratio is 0.56.",
        "The fifth rib may be fractured; T12 is compressed.",
        "Ratio 15/30. Effusion of 2 to 3 cm.",
        "May represent pneumonia. The march of events.",
    ],
)
def test_what_a_report_is_about_stays(kept: str) -> None:
    assert without_identity(kept) == kept


@given(st.dates(), st.sampled_from(["%d/%m/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %b %Y", "%m.%d.%y"]))
def test_no_date_is_told(date: object, form: str) -> None:
    shown = date.strftime(form)  # type: ignore[attr-defined]
    assert shown not in without_identity(f"Film of {shown} for comparison.")
