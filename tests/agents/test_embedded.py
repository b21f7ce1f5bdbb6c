"""The embedded language model itself: schema, repeatability, streaming, limits, a whole draft."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import fake_services, fake_settings
from langchain_core.messages import HumanMessage, SystemMessage
from safetensors.numpy import save_file

from agents.aggregator.backends import embedded_backend
from agents.aggregator.chat_backend import ChatBackend
from agents.aggregator.contract import RewordingTask
from agents.aggregator.embedded import EmbeddedChatModel, load
from agents.aggregator.gguf import EmbeddedWeights
from agents.aggregator.matching import adapter_match
from agents.aggregator.prompt import EMBEDDED_PROMPT, load_prompt
from agents.drafting import DraftOptions, draft_study
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError, WeightsError
from models.language.adapter_card import WEIGHTS_FILE, AdapterCard, Method, write_adapter_card
from models.weights import locate
from reporting.draft import DraftStatus, ModelUse, Writer

MODEL = "smollm2-135m-instruct"
TASK = RewordingTask(sentence="Probable left pleural effusion.", shape="probable.side")

_USE = (Writer.EMBEDDED, ModelUse(role="aggregator", name="m", version="1", licence="none"))


@pytest.fixture(scope="module")
def gguf() -> Path:
    try:
        return locate(MODEL, Settings().cache_dir)
    except WeightsError:
        pytest.skip(f"the embedded model is absent: readingroom models pull {MODEL}")


def _chat(gguf: Path, seconds: float = 300.0) -> EmbeddedChatModel:
    return EmbeddedChatModel(file=gguf, threads=1, max_tokens=48, timeout_seconds=seconds)


def test_answers_keep_to_the_schema_and_repeat(gguf: Path) -> None:
    prompt = load_prompt(EMBEDDED_PROMPT)
    answers = [
        _chat(gguf).invoke(
            prompt.messages(TASK), response_format=prompt.response_format(), seed=seed
        )
        for seed in (1, 1)
    ]
    texts = [json.loads(answer.text)["text"] for answer in answers]
    assert texts[0] == texts[1]
    assert "effusion" in texts[0].lower()


def test_a_further_try_varies_and_its_seed_fixes_it(gguf: Path) -> None:
    backend = ChatBackend(_chat(gguf), load_prompt("reword_tuned.toml"), *_USE, seconds=300.0)
    told = [TASK.model_copy(update={"tries": 1, "seed": seed}) for seed in (1, 1, 2, 3, 4)]
    first, *further = (backend.reword(task, 300.0) for task in (TASK, *told))
    assert further[0] == further[1]
    assert set(further) - {first}


def test_streaming_gives_the_same_text_in_pieces(gguf: Path) -> None:
    prompt = load_prompt(EMBEDDED_PROMPT)
    asked = prompt.messages(TASK)
    pieces = [
        chunk.text for chunk in _chat(gguf).stream(asked, response_format=prompt.response_format())
    ]
    whole = _chat(gguf).invoke(asked, response_format=prompt.response_format()).text
    assert len([piece for piece in pieces if piece]) > 3
    assert "".join(pieces) == whole


def test_a_stream_may_be_left_and_the_model_serves_the_next(gguf: Path) -> None:
    stream = _chat(gguf).stream([HumanMessage("Count to one hundred.")], max_tokens=400)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    answer = _chat(gguf).invoke([SystemMessage("Be brief."), HumanMessage("Say yes.")])
    assert answer.text


def test_it_stops_at_its_time_limit(gguf: Path) -> None:
    with pytest.raises(BackendError, match="did not finish within"):
        _chat(gguf, 0.05).invoke([HumanMessage("Write a long story.")], max_tokens=400)


def test_a_shared_beginning_is_read_once(gguf: Path) -> None:
    prompt = load_prompt(EMBEDDED_PROMPT)
    roles = {"system": "system", "human": "user", "ai": "assistant"}
    read: list[tuple[int, int]] = []
    for sentence in ("Probable right pleural effusion.", "Probable left pneumothorax."):
        task = TASK.model_copy(update={"sentence": sentence})
        chunks: list[Any] = []

        def take(chunk: Any, kept: list[Any] = chunks) -> bool:
            kept.append(json.loads(chunk) if isinstance(chunk, str) else chunk)
            return False

        messages = [{"role": roles[m.type], "content": m.text} for m in prompt.messages(task)]
        request = {"messages": messages, "max_tokens": 1, "cache_prompt": True}
        load(EmbeddedWeights(model=gguf), 1).chat(request, take)
        timings = next(chunk["timings"] for chunk in reversed(chunks) if "timings" in chunk)
        read.append((timings["prompt_n"], timings["cache_n"]))
    assert read[1][0] < 0.2 * sum(read[1]), read  # (read anew, taken from the cache)


def _strong_adapter(folder: Path, cache: Path) -> Path:
    """A random adapter of some layers' last matrix, with its card."""
    rng = np.random.default_rng(0)
    weights = {}
    for layer in range(4, 30, 8):
        name = f"base_model.model.model.layers.{layer}.mlp.down_proj.lora"
        weights[f"{name}_A.weight"] = rng.normal(0, 0.15, (4, 1536)).astype(np.float16)
        weights[f"{name}_B.weight"] = rng.normal(0, 0.15, (576, 4)).astype(np.float16)
    folder.mkdir()
    save_file(weights, folder / WEIGHTS_FILE)
    card = AdapterCard(
        schema="readingroom/adapter/1",
        name="strong",
        version="1",
        licence="Apache-2.0",
        method=Method.SFT,
        languages=("en",),
        match=adapter_match("embedded", cache, EMBEDDED_PROMPT),
        rank=4,
        alpha=8,
        targets=("down_proj",),
        parameters=sum(weight.size for weight in weights.values()),
        weights_sha256=hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest(),
        data_sha256="0" * 64,
        command="a test",
    )
    write_adapter_card(folder, card)
    return folder


def test_an_adapter_speaks_alike_from_a_file_of_its_own_and_merged(
    gguf: Path, tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="the package gguf, which exports adapters, is absent")
    from models.language.gguf_export import export_adapter, export_model

    cache = Settings().cache_dir
    adapter = _strong_adapter(tmp_path / "adapter", cache)
    said = []
    for path in (
        None,
        export_adapter(gguf, adapter, tmp_path / "apart"),
        export_model(gguf, adapter, tmp_path / "merged"),
    ):
        llm = LlmSettings(embedded_adapter=path)
        backend = embedded_backend(Settings(threads=1, llm=llm))
        answer = backend.answer(
            [HumanMessage("Describe a chest X-ray.")],
            load_prompt(EMBEDDED_PROMPT).response_format(),
            max_tokens=24,
            seed=0,
            seconds=300.0,
        )
        said.append((backend.model.name, answer))
    assert [name for name, _ in said] == [MODEL, f"{MODEL}+strong", f"{MODEL}+strong"]
    plain, apart, merged = (answer for _, answer in said)
    assert plain != apart
    assert apart == merged


def test_it_is_loaded_once_and_keeps_its_port_shut(gguf: Path) -> None:
    import urllib.error
    import urllib.request

    weights = EmbeddedWeights(model=gguf)
    server = load(weights, 1)
    assert load(weights, 1) is server
    address = server._server.listening_address
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        data=b'{"messages": [{"role": "user", "content": "hello"}]}',
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    assert refused.value.code == 401


def test_a_damaged_file_is_a_backend_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(BackendError, match="cannot be loaded"):
        EmbeddedChatModel(file=broken, threads=1).invoke([HumanMessage("Hello")])


def test_a_draft_with_the_embedded_model_says_nothing_unsupported(gguf: Path, film: Path) -> None:
    prompt = load_prompt(EMBEDDED_PROMPT)
    use = ModelUse(role="aggregator", name=MODEL, version="1", licence="Apache-2.0")
    backend = ChatBackend(_chat(gguf), prompt, Writer.EMBEDDED, use, seconds=300.0)
    drafts = [
        draft_study(
            film,
            DraftOptions(out=film.parent / f"out{run}"),
            fake_settings(film.parent),
            services=fake_services(backends=[backend]),
        ).draft
        for run in range(2)
    ]
    assert drafts[0].status is DraftStatus.VERIFIED
    assert drafts[0].counts.unsupported == 0
    assert MODEL in [model.name for model in drafts[0].models]
    assert not drafts[0].warnings
    assert drafts[0].sections == drafts[1].sections
    assert drafts[0].counts == drafts[1].counts


def test_the_settings_name_the_model_and_its_licence(gguf: Path) -> None:
    backend = embedded_backend(Settings())
    assert (backend.model.name, backend.model.licence) == (MODEL, "Apache-2.0")
    assert backend.model.sha256 is not None
