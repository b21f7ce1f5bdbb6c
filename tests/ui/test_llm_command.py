"""`readingroom llm`: what it says with no server, with one, and with one that cannot start."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.serving.environment import Device
from agents.serving.record import Served, ServerRecord, sole_server, write_record
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError, SettingsError
from ui.checkup import Grade, _language_model, _served_here
from ui.cli.llm import llm


class _Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        right = self.headers["Authorization"] == "Bearer secret"
        raw = b'{"data": [{"id": "readingroom"}, {"id": "tuned"}]}' if right else b"{}"
        self.send_response(200 if right else 401)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def _run(cache: Path, *words: str, **environment: str) -> Result:
    names = {f"READINGROOM_{name}": value for name, value in environment.items()}
    return CliRunner().invoke(llm, words, env={"READINGROOM_CACHE_DIR": str(cache), **names})


def _record(address: str) -> ServerRecord:
    served = (
        Served(name="readingroom", kind="base"),
        Served(name="tuned", kind="adapter", prompt="reword_tuned.toml", version="2"),
    )
    return ServerRecord(pid=1, address=address, device=Device.CPU, served=served)


def test_status_without_a_server_says_so_and_fails(tmp_path: Path) -> None:
    done = _run(tmp_path, "status", LLM__BASE_URL="http://127.0.0.1:9/v1")
    assert done.exit_code == 5
    assert "does not answer" in done.output
    assert "No server runs here." in _run(tmp_path, "stop").output


def test_status_lists_what_is_served(tmp_path: Path, address: str) -> None:
    keyed = {"LLM__BASE_URL": address, "LLM__API_KEY": "secret"}
    with sole_server(tmp_path) as folder:
        write_record(folder, _record(address))
        done = _run(tmp_path, "status", **keyed)
        told = json.loads(_run(tmp_path, "status", "--json", **keyed).output)
    assert done.exit_code == 0
    assert "serves readingroom, tuned" in done.output
    assert "tuned: adapter, tuned for reword_tuned.toml, version 2" in done.output
    assert told["server"]["served"][1]["name"] == "tuned"
    assert "secret" not in done.output
    assert _run(tmp_path, "status", LLM__BASE_URL=address).exit_code == 5  # no key


def test_serve_without_its_environment_says_how_to_build_it(tmp_path: Path) -> None:
    done = _run(tmp_path, "serve", LLM__SERVER_ENVIRONMENT=str(tmp_path / "none"))
    assert isinstance(done.exception, BackendError) and "make vllm" in str(done.exception)


def test_serve_refuses_an_adapter_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / ".installed-cpu").touch()
    words = ("serve", "--adapter", "/some/folder")
    done = _run(tmp_path, *words, LLM__SERVER_ENVIRONMENT=str(tmp_path))
    assert isinstance(done.exception, SettingsError) and "NAME=PATH" in str(done.exception)


def test_doctor_tells_of_the_server(tmp_path: Path, address: str) -> None:
    chosen = LlmSettings(aggregator="vllm", base_url=address, api_key="secret")
    settings = Settings(cache_dir=tmp_path, llm=chosen)
    check = _language_model(settings)
    assert (check.grade, check.found) == (Grade.GOOD, "serves readingroom, tuned")
    assert _served_here(settings) == ()
    with sole_server(tmp_path) as folder:
        write_record(folder, _record(address))
        [here] = _served_here(settings)
    assert here.grade is Grade.GOOD and "on the CPU serves readingroom, tuned" in here.found
    gone = settings.model_copy(
        update={"llm": chosen.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})}
    )
    check = _language_model(gone)
    assert check.grade is Grade.LACKING and "readingroom llm serve" in check.advice
