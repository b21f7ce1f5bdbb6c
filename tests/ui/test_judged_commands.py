"""`readingroom evaluate consistency` and `label-extraction` against a local server's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evaluation import consistency, label_extraction
from evaluation.report_corpora import Example, Part, part_of
from evaluation.reports.cases import CaseSplit, ComparedCase
from evaluation.reports.pairs import ReferenceReport
from evaluation.reports.running import KeptReport, key_of
from findings.errors import ReadingRoomError
from findings.vocabulary import Language
from ui.cli.main import readingroom

GRADES = {
    "accuracy_reason": "The effusion agrees.",
    "clinical_accuracy": 4,
    "completeness_reason": "Nothing is missing.",
    "findings_completeness": 3,
    "language_reason": "Plain.",
    "language_quality": 5,
    "structure_reason": "In order.",
    "report_structure": 2,
}
LABELS = {
    "labels": [
        {
            "lesion": "pleural_effusion",
            "reason": "Said on the left.",
            "status": "positive",
            "location": "left",
        }
    ]
}


class _Server(ThreadingHTTPServer):
    asked: list[dict[str, Any]]


class _Recorded(BaseHTTPRequestHandler):
    """Answers as a server with guided decoding does: by the schema that comes with the question."""

    server: _Server

    def do_GET(self) -> None:
        self._send({"data": [{"id": "judge-7b"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        named = body["response_format"]["json_schema"]["name"]
        content = json.dumps(GRADES if named == "ConsistencyScore" else LABELS)
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "judge-7b",
                "choices": [choice],
            }
        )

    def _send(self, answer: object) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Recorded)
    made.asked = []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def run(folder: Path, address: str, *words: str) -> Result:
    environment = {
        "READINGROOM_CACHE_DIR": str(folder / "cache"),
        "READINGROOM_LLM__BASE_URL": address,
    }
    return CliRunner().invoke(readingroom, ["evaluate", *words], env=environment)


def test_kept_reports_are_graded_by_the_server(
    tmp_path: Path, server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Path("film.png")
    reference = ReferenceReport("p", "Left pleural effusion.", ())
    split = CaseSplit(
        "nih", True, Language.ENGLISH, (ComparedCase(film, reference),), (), (), "normal"
    )
    monkeypatch.setattr(consistency, "read_split", lambda *given: split)
    kept = KeptReport(film=key_of(film), text="Effusion on the left.", seconds=1.0)
    (tmp_path / "trrg.jsonl").write_text(kept.model_dump_json())
    figures = tmp_path / "figures.json"
    done = run(
        tmp_path,
        f"http://127.0.0.1:{server.server_port}/v1",
        *("consistency", "--reports", str(tmp_path), "--data", str(tmp_path)),
        *("--json", str(figures), "--markdown", str(tmp_path / "page.md")),
    )
    assert done.exit_code == 0, done.output
    assert "| TRRG | 4.00" in done.output and "Graded 1 to 5 by judge-7b" in done.output
    assert json.loads(figures.read_text())["rows"][0]["total"]["value"] == 14
    assert "begin consistency" in (tmp_path / "page.md").read_text()
    [asked] = server.asked
    assert asked["temperature"] == 0
    schema = asked["response_format"]["json_schema"]
    assert schema["strict"] and schema["schema"]["properties"]["report_structure"]["maximum"] == 5
    assert json.loads(asked["messages"][1]["content"]) == {
        "reference": "Left pleural effusion.",
        "written": "Effusion on the left.",
    }


def test_reports_are_labelled_by_the_server(
    tmp_path: Path, server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = next(str(n) for n in range(40) if part_of(str(n)) is Part.HELD_OUT)
    example = Example(patient, "Left pleural effusion.", Language.ENGLISH, frozenset(), {}, ())
    monkeypatch.setattr(label_extraction, "openi_examples", lambda source: [example])
    monkeypatch.setattr("models.weights.locate", lambda name, cache: tmp_path)
    done = run(tmp_path, f"http://127.0.0.1:{server.server_port}/v1", "label-extraction")
    assert done.exit_code == 0, done.output
    assert "| pleural effusion | 0 | 1 | 1 | 0.000 | 0.000 | 1.000 | 1 of 1 |" in done.output


@pytest.mark.parametrize(
    ("address", "said", "code"),
    [
        ("http://127.0.0.1:9/v1", "readingroom llm serve", 5),
        ("https://models.invalid/v1", "--allow-remote", 2),
    ],
)
def test_without_a_server_or_leave_it_says_what_to_do(
    address: str, said: str, code: int, tmp_path: Path
) -> None:
    words = ("consistency", "--reports", str(tmp_path), "--data", str(tmp_path))
    for command in (words, ("label-extraction",)):
        done = run(tmp_path, address, *command)
        assert isinstance(done.exception, ReadingRoomError)
        assert said in str(done.exception) and done.exception.exit_code == code
