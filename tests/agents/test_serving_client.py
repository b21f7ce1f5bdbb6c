"""The client of a served model, against a small server: streams, faults, retries, the breaker."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.aggregator import patience
from agents.aggregator.backends import served_backend
from agents.aggregator.contract import RETRY_TEMPERATURE, Point, ReportTask, RewordingTask
from agents.aggregator.form import ill_formed
from agents.aggregator.patience import CircuitBreaker, RetryPolicy, breaker_of, patiently
from agents.serving.environment import Device
from agents.serving.health import look
from agents.serving.record import Served, ServerRecord, sole_server, write_record
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError
from findings.vocabulary import Language
from reporting.draft import SectionName, Writer

TASK = RewordingTask(sentence="Left pleural effusion.", facts=("pleural effusion; left",))
GOOD = '{"text": "A left pleural effusion is seen."}'


class _Server(ThreadingHTTPServer):
    requests: list[dict[str, object]]
    answer: Callable[[dict[str, object]], tuple[int, str]]
    pause: float
    after: str


class _Handler(BaseHTTPRequestHandler):
    """Streams an answer in pieces of three characters, as OpenAI's protocol does."""

    server: _Server

    def do_GET(self) -> None:
        self._send(200, "application/json", b'{"data": [{"id": "m"}, {"id": "tuned"}]}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        status, content = self.server.answer(body)
        if status != 200:
            self._send(status, "application/json", b'{"error": {"message": "no"}}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for start in range(0, len(content), 3):
                self._event({"content": content[start : start + 3]}, None)
                time.sleep(self.server.pause)
            for _ in range(1000 if self.server.after else 0):
                self._event({"content": self.server.after}, None)
            self._event({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _event(self, delta: dict[str, str], finish: str | None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        event = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [choice],
        }
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _send(self, status: int, kind: str, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr(patience, "_breakers", {})
    server = _Server(("127.0.0.1", 0), _Handler)
    server.requests, server.pause, server.after = [], 0.0, ""
    server.answer = lambda body: (200, GOOD)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _settings(server: _Server, folder: Path, **llm: object) -> Settings:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    chosen = {"aggregator": "vllm", "base_url": url, "model": "m", "timeout_seconds": 60.0}
    return Settings(cache_dir=folder / "cache", llm=LlmSettings(**{**chosen, **llm}))  # type: ignore[arg-type]


def test_the_served_model_is_asked_under_a_schema(endpoint: _Server, tmp_path: Path) -> None:
    backend = served_backend(_settings(endpoint, tmp_path))
    assert backend.reword(TASK, 60.0) == "A left pleural effusion is seen."
    [request] = endpoint.requests
    schema = request["response_format"]
    assert isinstance(schema, dict) and schema["type"] == "json_schema"
    assert request["model"] == "m" and request["temperature"] == 0.0
    assert request["stream"] is True
    assert backend.writer is Writer.VLLM


def test_a_further_try_names_the_difference_and_is_drawn_by_its_seed(
    endpoint: _Server, tmp_path: Path
) -> None:
    refused = {
        "tries": 1,
        "seed": 8,
        "rejected": "Right effusion.",
        "complaint": "Left, not right.",
    }
    served_backend(_settings(endpoint, tmp_path)).reword(TASK.model_copy(update=refused), 60.0)
    [request] = endpoint.requests
    assert request["temperature"] == RETRY_TEMPERATURE > 0 and request["seed"] == 8
    messages = request["messages"]
    assert isinstance(messages, list)
    assert "Right effusion." in messages[-2]["content"]
    assert messages[-1] == {"role": "user", "content": "Left, not right."}


def test_a_whole_report_is_asked_with_the_ids_as_enumerations(
    endpoint: _Server, tmp_path: Path
) -> None:
    answer = '{"sentences": []}'
    endpoint.answer = lambda body: (200, answer)
    point = Point(
        section=SectionName.FINDINGS,
        sentence="Left pleural effusion.",
        facts=("pleural effusion; left",),
        entries=("L7",),
        evidence=("E3",),
    )
    backend = served_backend(_settings(endpoint, tmp_path))
    assert backend.write_report(ReportTask(points=(point,)), 60.0) == answer
    schema = json.dumps(endpoint.requests[0]["response_format"])
    assert '"enum": ["L7"]' in schema and '"enum": ["E3"]' in schema


def test_an_adapter_is_asked_for_by_its_name(endpoint: _Server, tmp_path: Path) -> None:
    backend = served_backend(_settings(endpoint, tmp_path, adapter="tuned"))
    backend.reword(TASK, 60.0)
    assert endpoint.requests[0]["model"] == "tuned"
    assert backend.model.name == "tuned"


def test_a_server_of_this_machine_tells_what_stands_behind_its_name(
    endpoint: _Server, tmp_path: Path
) -> None:
    settings = _settings(endpoint, tmp_path)
    behind = Served(
        name="tuned",
        kind="merged",
        prompt="reword_embedded.toml",
        version="3",
        licence="Apache-2.0",
        sha256="a" * 64,
    )
    record = ServerRecord(pid=1, address=settings.llm.base_url, device=Device.CPU, served=(behind,))
    with sole_server(settings.cache_dir) as folder:
        write_record(folder, record)
        backend = served_backend(settings)
    assert (backend.model.name, backend.model.version) == ("tuned", "3")
    assert backend.model.sha256 == "a" * 64
    backend.reword(TASK, 60.0)
    messages = endpoint.requests[0]["messages"]
    assert isinstance(messages, list)
    assert messages[-1]["content"] == TASK.sentence  # the form that the adapter was tuned with
    assert served_backend(settings).model.name == "m"  # that server has ended


def test_the_answer_is_left_where_its_json_ends(endpoint: _Server, tmp_path: Path) -> None:
    endpoint.after = "\n" * 64
    assert served_backend(_settings(endpoint, tmp_path)).reword(TASK, 60.0).startswith("A left")


def test_a_server_that_dawdles_is_left_in_time(endpoint: _Server, tmp_path: Path) -> None:
    endpoint.pause = 0.2
    started = time.monotonic()
    with pytest.raises(BackendError, match="in time"):
        served_backend(_settings(endpoint, tmp_path)).reword(TASK, 0.5)
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(("status", "requests"), [(500, 3), (503, 3), (429, 3), (404, 1), (401, 1)])
def test_only_faults_of_the_moment_are_tried_again(
    endpoint: _Server, tmp_path: Path, status: int, requests: int
) -> None:
    endpoint.answer = lambda body: (status, "")
    with pytest.raises(BackendError, match="gave no answer"):
        served_backend(_settings(endpoint, tmp_path)).reword(TASK, 60.0)
    assert len(endpoint.requests) == requests


def test_a_passing_fault_is_survived(endpoint: _Server, tmp_path: Path) -> None:
    faults = iter([503, 500])
    endpoint.answer = lambda body: (next(faults, 200), GOOD)
    assert served_backend(_settings(endpoint, tmp_path)).reword(TASK, 60.0).startswith("A left")
    assert len(endpoint.requests) == 3


def test_a_dead_server_is_left_alone_by_the_drafts_that_follow(
    endpoint: _Server, tmp_path: Path
) -> None:
    endpoint.answer = lambda body: (500, "")
    settings = _settings(endpoint, tmp_path)
    with pytest.raises(BackendError):
        served_backend(settings).reword(TASK, 60.0)
    asked = len(endpoint.requests)
    with pytest.raises(BackendError, match="left alone"):
        served_backend(settings).reword(TASK, 60.0)
    assert len(endpoint.requests) == asked
    breaker_of(settings.llm.base_url).succeeded()
    endpoint.answer = lambda body: (200, GOOD)
    assert served_backend(settings).reword(TASK, 60.0).startswith("A left")


def test_no_server_is_a_backend_error_and_no_json_fails_its_read_back(
    endpoint: _Server, tmp_path: Path
) -> None:
    endpoint.answer = lambda body: (200, "certainly! here it is")
    text = served_backend(_settings(endpoint, tmp_path)).reword(TASK, 60.0)
    assert ill_formed(text, TASK.sentence, Language.ENGLISH) is not None
    with pytest.raises(BackendError):
        served_backend(
            _settings(endpoint, tmp_path, base_url="http://127.0.0.1:9/v1", retries=0)
        ).reword(TASK, 60.0)


def test_health_names_what_is_served_and_what_is_wrong(endpoint: _Server) -> None:
    health = look(f"http://127.0.0.1:{endpoint.server_port}/v1")
    assert health.healthy and health.models == ("m", "tuned")
    assert health.summary == "serves m, tuned"
    gone = look("http://127.0.0.1:9/v1", seconds=0.5)
    assert not gone.healthy and "ConnectError" in gone.summary
    assert not look("no address").healthy


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_rests_and_lets_one_request_try() -> None:
    clock = _Clock()
    breaker = CircuitBreaker(failures=2, rest_seconds=10.0, clock=clock)
    breaker.failed()
    breaker.admit()
    breaker.failed()
    with pytest.raises(BackendError):
        breaker.admit()
    clock.now = 10.5
    breaker.admit()  # the trial
    with pytest.raises(BackendError):
        breaker.admit()  # nobody else meanwhile
    breaker.failed()
    clock.now = 15.0
    with pytest.raises(BackendError):
        breaker.admit()
    clock.now = 21.0
    breaker.admit()
    breaker.succeeded()
    breaker.admit()
    breaker.admit()


@given(st.integers(0, 5), st.floats(0.01, 3.0), st.floats(0.01, 3.0), st.integers())
def test_pauses_stay_within_a_bound_that_doubles(
    retries: int, first: float, longest: float, seed: int
) -> None:
    policy = RetryPolicy(retries=retries, first_pause=first, longest_pause=longest)
    pauses = list(policy.pauses(random.Random(seed)))
    assert len(pauses) == retries
    for number, pause in enumerate(pauses):
        assert 0.0 <= pause <= min(longest, first * 2**number)


@given(st.lists(st.sampled_from(["passing", "final", "answer"]), min_size=4, max_size=4))
def test_patience_asks_until_an_answer_a_final_fault_or_the_last_retry(script: list[str]) -> None:
    clock, asked = _Clock(), iter(script)
    made: list[str] = []

    def ask(left: float) -> str:
        assert left > 0
        made.append(next(asked))
        clock.now += 1.0
        if made[-1] == "answer":
            return "text"
        raise (ConnectionError if made[-1] == "passing" else KeyError)(made[-1])

    breaker = CircuitBreaker(failures=100, clock=clock)
    try:
        answer = patiently(
            ask,
            60.0,
            policy=RetryPolicy(retries=2),
            breaker=breaker,
            passing=lambda error: isinstance(error, ConnectionError),
            pause=lambda seconds: None,
            clock=clock,
        )
    except (ConnectionError, KeyError):
        answer = None
    kinds = script[: next((i + 1 for i, kind in enumerate(script) if kind != "passing"), 4)][:3]
    assert made == kinds
    assert (answer == "text") is (kinds[-1] == "answer")
