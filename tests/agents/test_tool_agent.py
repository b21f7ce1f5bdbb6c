"""A served model that answers by calling tools: its words stand only where the ledger carries them.

`data/exchanges` holds what a server answered, turn by turn; it is replayed over HTTP.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.asking import Conversation, draft_to_ask, served_agent
from agents.conversation.answer import RULES, SERVED, Answer, EditKind, OnWords
from agents.conversation.read_back import read_back
from agents.conversation.router import Intent
from agents.settings import LlmSettings, Settings, load_settings
from findings.vocabulary import Finding, Language
from reporting.draft import Draft
from reporting.suggestions import state

EXCHANGES = Path(__file__).parent / "data" / "exchanges"
DRAFT = Path(__file__).parents[2] / "docs" / "samples" / "drafts" / "cardiomegaly"


@pytest.fixture(scope="module")
def draft() -> Draft:
    return draft_to_ask(DRAFT, Settings())


def _streamed(body: dict[str, Any], message: dict[str, Any], finish: str) -> bytes:
    """A message as a server streams it: word by word, and a tool's call whole."""
    calls = [{"index": n, **call} for n, call in enumerate(message.get("tool_calls") or [])]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f"{word} "} for word in (message.get("content") or "").split()]
    if calls:
        deltas.append({"tool_calls": calls})
    told = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    told.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunk = {**body, "object": "chat.completion.chunk"}
    lines = [f"data: {json.dumps({**chunk, 'choices': [one]})}\n\n" for one in told]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


class Replayed:
    """A server that answers as it did when the exchange was recorded."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.left = list(messages)
        self.requests: list[dict[str, Any]] = []
        replay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                replay.requests.append(json.loads(self.rfile.read(length)))
                if not replay.left:
                    self.send_error(500)
                    return
                message = replay.left.pop(0)
                finish = "tool_calls" if message.get("tool_calls") else "stop"
                choice = {"index": 0, "message": message, "finish_reason": finish}
                body = {"id": "x", "object": "chat.completion", "created": 0, "model": "capable"}
                kind, sent = "application/json", json.dumps({**body, "choices": [choice]}).encode()
                if replay.requests[-1].get("stream"):
                    body = {**body, "id": f"x{len(replay.left)}"}
                    kind, sent = "text/event-stream", _streamed(body, message, finish)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Ask = Callable[..., tuple[Answer, Replayed]]


@pytest.fixture
def ask(draft: Draft, tmp_path: Path) -> Iterator[Ask]:
    """Ask the question of an exchange, its placeholders filled from the draft."""
    servers: list[Replayed] = []
    [heart] = [e for e in draft.ledger if e.finding is Finding.CARDIOMEGALY]
    ratio = next(m.value for m in draft.measurements if m.name == "cardiothoracic_ratio")
    filled = {
        "{sentence}": (state(heart, Language.ENGLISH) or "").rstrip("."),
        "{evidence}": heart.evidence[0],
        "{ratio}": f"{ratio:.2f}",
    }

    def run(name: str, on_words: OnWords | None = None) -> tuple[Answer, Replayed]:
        text = (EXCHANGES / f"{name}.json").read_text("utf-8")
        for slot, value in filled.items():
            text = text.replace(slot, value)
        exchange = json.loads(text)
        servers.append(Replayed(exchange["messages"]))
        llm = LlmSettings(
            converse=True, base_url=servers[-1].url, model="capable", timeout_seconds=300
        )
        conversation = Conversation(draft, Settings(cache_dir=tmp_path, llm=llm))
        return conversation.ask(exchange["question"], on_words=on_words), servers[-1]

    yield run
    for server in servers:
        server.close()


def test_a_carried_answer_stands_and_names_its_writer(ask: Ask) -> None:
    answer, server = ask("grounded")
    assert (answer.writer, answer.model, answer.note) == (SERVED, "capable", "")
    assert [claim.finding for claim in answer.claims] == [Finding.CARDIOMEGALY]
    assert answer.evidence
    offered = {tool["function"]["name"] for tool in server.requests[0]["tools"]}
    assert {"presence", "measurement", "change", "expert_evidence"} <= offered
    assert server.requests[1]["messages"][-1]["role"] == "tool"


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("uncarried_finding", "pneumothorax"),
        ("uncarried_number", "0.71"),
        ("uncarried_words", "malignancy"),
        ("unknown_tool", "mass"),
        ("spanish", "masa"),
    ],
)
def test_what_is_not_carried_is_replaced_by_the_rules(ask: Ask, name: str, forbidden: str) -> None:
    answer, _ = ask(name)
    assert answer.writer == RULES and answer.note
    assert forbidden not in answer.text and answer.evidence


def test_words_are_heard_as_they_are_written_and_the_answer_is_the_same(ask: Ask) -> None:
    heard: list[str] = []
    answer, _ = ask("grounded", heard.append)
    assert answer == ask("grounded")[0] and answer.writer == SERVED
    written = [words for words in heard if words]
    assert len(written) > 3 and written[-1].split() == answer.text.split()
    assert all(later.startswith(words) for words, later in itertools.pairwise(written))


def test_what_is_heard_before_its_read_back_does_not_stand(ask: Ask) -> None:
    heard: list[str] = []
    answer, _ = ask("uncarried_finding", heard.append)
    assert any("pneumothorax" in words for words in heard)
    assert answer.writer == RULES and answer.note and "pneumothorax" not in answer.text


@pytest.mark.parametrize("name", ["no_tool", "endless"])
def test_an_answer_from_memory_or_without_end_is_replaced(ask: Ask, name: str) -> None:
    answer, server = ask(name)
    assert answer.writer == RULES and answer.note and answer.text.startswith("Yes")
    assert len(server.requests) <= 6


def test_wrong_arguments_reach_nothing(ask: Ask) -> None:
    answer, server = ask("bad_arguments")
    assert "Doe" not in answer.text
    told = server.requests[1]["messages"][-1]
    assert told["role"] == "tool" and "side" in told["content"]


def test_several_tools_may_be_asked_in_turn(ask: Ask) -> None:
    answer, server = ask("two_tools")
    assert answer.writer == SERVED and "0.58" in answer.text
    assert len(server.requests) == 3


def test_a_change_is_proposed_in_the_rules_words(ask: Ask) -> None:
    answer, _ = ask("change")
    assert answer.intent is Intent.CHANGE and "Done" not in answer.text
    assert answer.edit is not None and answer.edit.kind is EditKind.REMOVE


def test_what_the_rules_do_not_understand_the_model_may(ask: Ask) -> None:
    answer, _ = ask("unforeseen")
    assert answer.in_scope and answer.writer == SERVED
    assert answer.claims[0].finding is Finding.CARDIOMEGALY


def test_what_is_out_of_scope_never_reaches_the_model(ask: Ask) -> None:
    answer, server = ask("injected")
    assert not answer.in_scope and server.requests == []


def test_no_patient_and_no_picture_are_sent(ask: Ask) -> None:
    _, server = ask("grounded")
    sent = json.dumps(server.requests)
    assert "runs" not in sent and "image_url" not in sent and "study_key" not in sent


def test_a_server_that_is_not_there_leaves_the_rules(draft: Draft, tmp_path: Path) -> None:
    llm = LlmSettings(converse=True, base_url="http://127.0.0.1:9/v1", timeout_seconds=60)
    answer = Conversation(draft, Settings(cache_dir=tmp_path, llm=llm)).ask("Is the heart large?")
    assert answer.writer == RULES and "no answer" in answer.note and answer.text.startswith("Yes")


def test_without_a_served_model_the_rules_are_alone(draft: Draft) -> None:
    assert served_agent(Settings()) is None
    assert served_agent(Settings(llm=LlmSettings(aggregator="vllm"))) is None


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("There is no pneumothorax.", True),
        ("There is a pneumothorax.", False),
        ("The heart is enlarged.", True),
        ("The heart is severely enlarged.", False),
        ("The cardiothoracic ratio is 0.71.", False),
        ("The study does not tell.", True),
        ("See [E9999].", False),
        ("", True),
        ("The heart is enlarged and the patient will die.", False),
    ],
)
def test_reading_back(draft: Draft, text: str, stands: bool) -> None:
    assert read_back(text, draft, Language.ENGLISH, ()).stands is stands


def test_a_real_server_keeps_the_rule(draft: Draft) -> None:
    from agents.serving.record import running_server

    settings = load_settings()
    record = running_server(settings.cache_dir)
    if record is None:
        pytest.skip("no language model server runs here: start one with 'readingroom llm serve'")
    llm = LlmSettings(converse=True, base_url=record.address, timeout_seconds=120)
    conversation = Conversation(draft, settings.model_copy(update={"llm": llm}))
    carried = {e.claim() for e in draft.ledger}
    answer = conversation.ask("Is the heart enlarged?")
    assert set(answer.claims) <= carried and answer.text
    assert answer.writer == SERVED or answer.note
