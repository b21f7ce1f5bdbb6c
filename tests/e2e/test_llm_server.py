"""A real vLLM server: its answers, its adapters, its log, its end.

It takes minutes to start, so it is started once, and only where READINGROOM_SERVER_TESTS=1 asks for
it and `make vllm` has built its environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agents.aggregator.backends import served_backend
from agents.aggregator.contract import Point, ReportTask, RewordingTask
from agents.aggregator.matching import adapter_match
from agents.aggregator.prompt import EMBEDDED_PROMPT, load_prompt, load_report_prompt
from agents.asking import Conversation, draft_to_ask
from agents.conversation.phrases import phrases
from agents.serving.environment import find_environment
from agents.serving.health import look
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError, WeightsError
from findings.vocabulary import Language
from models.language.adapter_card import WEIGHTS_FILE, AdapterCard, Method, write_adapter_card
from models.language.loading import load_language_model, located
from reporting.draft import SectionName

PORT = 8017
URL = f"http://127.0.0.1:{PORT}/v1"
RANK = 8
TOKENS = 16
TIE = 0.25
"""Nats: two tokens closer than this are a tie between bfloat16 of two programs."""
TASKS = (
    RewordingTask(sentence="Probable left pleural effusion.", shape="probable.side"),
    RewordingTask(sentence="Consolidation in the right lower zone.", shape="definite.region"),
    RewordingTask(sentence="Possible nodule in the left upper zone.", shape="possible.region"),
    RewordingTask(
        sentence="Severe cardiomegaly (cardiothoracic ratio 0.66).", shape="definite.number"
    ),
)
SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "drafts" / "cardiomegaly"
SECRET = "Quixotry-of-Room-Nine"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("READINGROOM_SERVER_TESTS") != "1",
        reason="a real server takes minutes: set READINGROOM_SERVER_TESTS=1 after 'make vllm'",
    ),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of its own for the server's record and log, with the pulled model in it."""
    real = Settings().cache_dir
    try:
        find_environment(Settings().llm.server_environment)
        located("embedded", real)
    except (BackendError, WeightsError) as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("cache")
    for name in ("models", "converted"):
        (folder / name).symlink_to(real / name)
    return folder


@pytest.fixture(scope="module")
def adapter(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random adapter, strong enough to change what is said, with its card."""
    import torch
    from peft import LoraConfig, get_peft_model

    model, _ = load_language_model("embedded", cache)
    torch.manual_seed(0)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    tuned: Any = get_peft_model(
        model, LoraConfig(r=RANK, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM")
    )
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    folder = tmp_path_factory.mktemp("adapter")
    tuned.save_pretrained(folder)
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    card = AdapterCard(
        schema="readingroom/adapter/1",
        name="random",
        version="1",
        licence="Apache-2.0",
        method=Method.SFT,
        languages=("en",),
        match=adapter_match("embedded", cache, EMBEDDED_PROMPT),
        rank=RANK,
        alpha=16,
        targets=tuple(targets),
        parameters=1,
        weights_sha256=digest,
        data_sha256="0" * 64,
        command="a test",
    )
    write_adapter_card(folder, card)
    return folder


class _Command:
    """`readingroom llm serve`, as a person runs it."""

    def __init__(self, cache: Path, *words: str) -> None:
        self.cache = cache
        # Two threads that wait for each other take many times as long on a busy machine.
        environment = (
            {"VLLM_CPU_OMP_THREADS_BIND": "0"}
            | os.environ
            | {
                "READINGROOM_CACHE_DIR": str(cache),
                "READINGROOM_LLM__BASE_URL": URL,
            }
        )
        command = [sys.executable, "-m", "ui.cli.main", "llm", "serve", "--port", str(PORT)]
        self.output = cache / "serve.txt"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [*command, "--context", "8192", *words],
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def ready(self, seconds: float = 1200.0) -> None:
        until = time.monotonic() + seconds
        while "Ctrl-C ends it" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < until, self.output.read_text()
            time.sleep(1)

    def end(self) -> list[int]:
        """End it as a service manager does; the processes of its group that are left."""
        group = _children(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        until = time.monotonic() + 10  # the engine's own helpers see its end a moment later
        while left := [pid for pid in group if Path(f"/proc/{pid}").exists()]:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return left


def _children(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


@pytest.fixture(scope="module")
def server(cache: Path, adapter: Path) -> Iterator[_Command]:
    """The base model with the adapter applied per request."""
    command = _Command(cache, "--adapter", f"tuned={adapter}", "--dynamic")
    try:
        command.ready()
        yield command
    finally:
        if command.process.poll() is None:
            command.process.send_signal(signal.SIGTERM)
            command.process.wait(60)


def _settings(cache: Path, **llm: Any) -> Settings:
    chosen = {"aggregator": "vllm", "base_url": URL, "timeout_seconds": 600.0}
    return Settings(cache_dir=cache, llm=LlmSettings(**{**chosen, **llm}))


def _client() -> Any:
    from openai import OpenAI

    return OpenAI(base_url=URL, api_key="none", timeout=600.0, max_retries=0)


def _messages(task: RewordingTask) -> list[dict[str, str]]:
    roles = {"system": "system", "human": "user", "ai": "assistant"}
    return [
        {"role": roles[message.type], "content": message.text}
        for message in load_prompt(EMBEDDED_PROMPT).messages(task)
    ]


def _compare(model: Any, tokenizer: Any, served: str) -> tuple[int, int, float]:
    """Texts that are the same; tokens that differ under teacher forcing; their largest margin."""
    import torch

    same, differing, margin = 0, 0, 0.0
    for task in TASKS:
        prompt = tokenizer.apply_chat_template(
            _messages(task), add_generation_prompt=True, return_dict=False
        )
        answer = _client().completions.create(
            model=served,
            prompt=prompt,
            max_tokens=TOKENS,
            temperature=0.0,
            logprobs=1,
            extra_body={"return_token_ids": True},
        )
        theirs = list(answer.choices[0].token_ids)
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *theirs]])).logits[0, len(prompt) - 1 : -1]
        ours = logits.float().log_softmax(-1)
        for position, token in enumerate(theirs):
            best = int(ours[position].argmax())
            if best != token:
                differing += 1
                margin = max(margin, float(ours[position, best] - ours[position, token]))
        same += all(int(row.argmax()) == token for row, token in zip(ours, theirs, strict=True))
    print(f"{served}: {same} of {len(TASKS)} texts alike, {differing} tokens differ, {margin:.3f}")
    return same, differing, margin


def test_it_serves_what_it_says(server: _Command, cache: Path) -> None:
    assert look(URL).models == ("readingroom", "tuned")
    said = server.output.read_text()
    assert "tuned: adapter, tuned for reword_embedded.toml" in said
    assert "several times slower" in said


def test_peft_and_vllm_say_the_same_with_and_without_the_adapter(
    server: _Command, cache: Path, adapter: Path
) -> None:
    from peft import PeftModel

    model, tokenizer = load_language_model("embedded", cache, dtype="bfloat16")
    for name in ("readingroom", "tuned"):
        network: Any = model if name == "readingroom" else PeftModel.from_pretrained(model, adapter)
        same, differing, margin = _compare(network.eval(), tokenizer, name)
        assert margin < TIE, f"{differing} tokens differ, by up to {margin:.3f} nats"
        assert same >= len(TASKS) // 2


def test_the_adapter_changes_what_is_said(server: _Command) -> None:
    likely = {
        name: _client()
        .completions.create(
            model=name, prompt="A chest X-ray", max_tokens=1, temperature=0.0, logprobs=5
        )
        .choices[0]
        .logprobs.top_logprobs[0]
        for name in ("readingroom", "tuned")
    }
    shared = set(likely["readingroom"]) & set(likely["tuned"])
    changes = [abs(likely["readingroom"][token] - likely["tuned"][token]) for token in shared]
    assert not shared or max(changes) > TIE, likely


def test_rewording_keeps_to_its_schema(server: _Command, cache: Path) -> None:
    text = served_backend(_settings(cache, adapter="tuned")).reword(TASKS[0], 600.0)
    assert text and len(text) <= load_prompt(EMBEDDED_PROMPT).max_characters
    with pytest.raises(BackendError, match="NotFoundError"):
        served_backend(_settings(cache, adapter="unknown")).reword(TASKS[0], 60.0)


def test_only_ids_of_the_plan_can_be_decoded(server: _Command, cache: Path) -> None:
    point = Point(
        section=SectionName.FINDINGS,
        sentence="Left pleural effusion.",
        facts=("pleural effusion; left",),
        entries=("L7",),
        evidence=("E3",),
    )
    task, prompt = ReportTask(points=(point,)), load_report_prompt()
    form = prompt.response_format(task)
    backend = served_backend(_settings(cache))
    answer = backend.answer(prompt.messages(task), form, max_tokens=64, seed=0, seconds=600.0)
    try:
        parsed = json.loads(answer)
    except ValueError:  # cut off by the budget: what there is keeps to the schema all the same
        ids = re.findall(r'"(?:claims|evidence)":\s*\[([^\]]*)', answer)
        assert answer.lstrip().startswith("{")
        assert all(set(re.findall(r'"(\w+)"', one)) <= {"L7", "E3"} for one in ids)
        return
    jsonschema.validate(parsed, form["json_schema"]["schema"])


def _tools() -> list[Any]:
    function = {
        "name": "measurement",
        "description": "A measurement of the film.",
        "parameters": {"type": "object", "properties": {}},
    }
    return [{"type": "function", "function": function}]


def test_calls_of_tools_are_shown_taken_and_read(server: _Command) -> None:
    assert "tool calls: read by hermes" in server.output.read_text()
    asked: Any = [{"role": "user", "content": "How wide is the heart?"}]
    call = r'<tool_call>\n\{"name": "measurement", "arguments": \{\}\}\n</tool_call>'
    answer = _client().chat.completions.create(
        model="readingroom",
        messages=asked,
        tools=_tools(),
        tool_choice="auto",
        max_tokens=64,
        extra_body={"structured_outputs": {"regex": call}},
    )
    [made] = answer.choices[0].message.tool_calls or []
    assert getattr(made, "function").name == "measurement"  # noqa: B009
    plain, shown = (
        _client().chat.completions.create(
            model="readingroom", messages=asked, max_tokens=1, **given
        )
        for given in ({}, {"tools": _tools()})
    )
    assert plain.usage and shown.usage
    assert shown.usage.prompt_tokens > plain.usage.prompt_tokens + 50


def test_a_question_is_answered_with_the_tool_calling_agent_in_place(
    server: _Command, cache: Path
) -> None:
    settings = _settings(cache, converse=True, timeout_seconds=3000.0)
    answer = Conversation(draft_to_ask(SAMPLE, settings), settings).ask("Is the heart enlarged?")
    failed = phrases(Language.ENGLISH).say("served_failed", model="readingroom")
    assert answer.text and answer.note != failed


def test_prompts_never_reach_the_log(server: _Command, cache: Path) -> None:
    from openai import OpenAIError

    good = {"model": "readingroom", "messages": [{"role": "user", "content": SECRET}]}
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": SECRET}}}
    for request in (
        good,
        good | {"response_format": schema},
        good | {"messages": [{"role": SECRET, "content": SECRET}]},
        good | {"messages": [{"role": "user", "content": f"{SECRET} " * 4000}]},
        good | {"model": "nothing"},
    ):
        try:
            _client().chat.completions.create(**{"max_tokens": 4, **request})
        except OpenAIError:
            continue
    log = (cache / "serving" / "server.log").read_text(errors="replace")
    assert len(log) > 500
    assert SECRET not in log


def test_it_ends_in_order_and_leaves_nobody(server: _Command, cache: Path) -> None:
    assert len(_children(server.process.pid)) >= 2  # the front end and the engine
    assert server.end() == []
    assert not look(URL, seconds=1.0).healthy
    assert not (cache / "serving" / "server.json").exists()


def test_the_merged_model_says_what_peft_says(cache: Path, adapter: Path) -> None:
    from peft import PeftModel

    pytest.importorskip("models.language.merging")
    command = _Command(cache, "--adapter", f"tuned={adapter}")
    try:
        command.ready()
        assert look(URL).models == ("tuned",)
        model, tokenizer = load_language_model("embedded", cache, dtype="bfloat16")
        network: Any = PeftModel.from_pretrained(model, adapter)
        _, differing, margin = _compare(network.eval(), tokenizer, "tuned")
        assert margin < TIE, f"{differing} tokens differ, by up to {margin:.3f} nats"
        assert served_backend(_settings(cache)).model.name == "tuned"
    finally:
        command.process.send_signal(signal.SIGTERM)
        command.process.wait(60)
