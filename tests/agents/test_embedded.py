"""The embedded language model itself: schema, repeatability, streaming, limits, a whole draft."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import fake_services, fake_settings
from langchain_core.messages import HumanMessage, SystemMessage

from agents.aggregator.backends import embedded_backend
from agents.aggregator.chat_backend import ChatBackend
from agents.aggregator.contract import RewordingTask
from agents.aggregator.embedded import EmbeddedChatModel, load
from agents.aggregator.gguf import EmbeddedWeights
from agents.aggregator.prompt import EMBEDDED_PROMPT, load_prompt
from agents.drafting import DraftOptions, draft_study
from agents.settings import Settings
from findings.errors import BackendError, WeightsError
from models.weights import locate
from reporting.draft import DraftStatus, ModelUse, Writer

MODEL = "smollm2-135m-instruct"
TASK = RewordingTask(sentence="Probable left pleural effusion.", shape="probable.side")


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
