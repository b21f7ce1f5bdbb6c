"""The embedded language model: llama.cpp in this process, as a LangChain chat model.

xllamacpp runs llama.cpp's own server code in the process and also opens its HTTP port on the
loopback address; a random key that is never told keeps that port shut to everyone else.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from agents import background
from agents.aggregator.gguf import EmbeddedWeights
from findings.errors import BackendError

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForLLMRun

CONTEXT_TOKENS: Final = 1024
_ROLES: Final = {"system": "system", "human": "user", "ai": "assistant"}
_loaded: Final[dict[tuple[EmbeddedWeights, int], _Server]] = {}
_loading: Final = threading.Lock()


class _Server:
    """One loaded model. Requests take turns: there is one slot, so that a seed fixes the text."""

    def __init__(self, weights: EmbeddedWeights, threads: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(weights.model)
        if weights.adapter is not None:
            adapter = xllamacpp.CommonAdapterLoraInfo(path=str(weights.adapter), scale=1.0)
            params.lora_adapters = [adapter]
        params.n_ctx = CONTEXT_TOKENS
        params.n_parallel = 1
        params.n_gpu_layers = 0
        params.cache_ram_mib = 64
        params.verbosity = -1
        params.endpoint_slots = False
        params.ui = False
        params.api_keys = [secrets.token_hex(32)]
        for cores in (params.cpuparams, params.cpuparams_batch):
            cores.n_threads = threads
            cores.poll = 0  # threads that wait for each other must not burn cores others need
        try:
            self._server = xllamacpp.Server(params)
        except Exception as error:
            raise BackendError(
                f"The embedded language model cannot be loaded ({type(error).__name__}). Get it "
                "again with 'readingroom models pull smollm2-135m-instruct'."
            ) from error
        self._turn = threading.Lock()

    def chat(self, request: dict[str, Any], take: Callable[[dict[str, Any]], bool]) -> None:
        """Stream a chat completion's chunks into `take`, which returns true to stop it."""
        with self._turn:
            try:
                self._server.handle_chat_completions({**request, "stream": True}, take)
            except Exception as error:
                raise BackendError(
                    f"The embedded language model stopped with an error ({type(error).__name__})."
                ) from error


def load(weights: EmbeddedWeights, threads: int) -> _Server:
    """The model in those files, loaded once per process. Raises `BackendError`."""
    with _loading:
        key = (weights, threads)
        if key not in _loaded:
            _loaded[key] = _Server(weights, threads)
        return _loaded[key]


class EmbeddedChatModel(BaseChatModel):
    """A GGUF model on the CPU. Decoding is greedy unless a temperature is given.

    `invoke` and `stream` take `response_format` (OpenAI's `json_schema` form, enforced by grammar),
    `max_tokens`, `seed`, `temperature` and `timeout` in seconds, loading included. Raises
    `BackendError` where the model fails or is too slow.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    file: Path
    adapter: Path | None = None
    """A LoRA adapter, as a GGUF file."""
    threads: int = Field(default=2, ge=1)
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = Field(default=128, ge=1)
    timeout_seconds: float = Field(default=30.0, gt=0)

    @property
    def _llm_type(self) -> str:
        return "readingroom-embedded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        adapter = None if self.adapter is None else self.adapter.name
        return {"model": self.file.name, "adapter": adapter, "temperature": self.temperature}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        parts: list[str] = []
        self._run(messages, stop, kwargs, lambda text: parts.append(text))
        message = AIMessage(content="".join(parts))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        import queue

        chunks: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        abandoned = threading.Event()

        def work() -> None:
            try:
                self._run(messages, stop, kwargs, chunks.put, abandoned)
                chunks.put(None)
            except BaseException as error:  # handed over to the reading thread
                chunks.put(error)

        background.start(work, "embedded-llm")
        try:
            while (item := chunks.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=item))
                if run_manager is not None:
                    run_manager.on_llm_new_token(item, chunk=chunk)
                yield chunk
        finally:
            abandoned.set()

    def _run(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        take: Callable[[str], None],
        abandoned: threading.Event | None = None,
    ) -> None:
        """Decode, handing each piece of text to `take`. Raises `BackendError`."""
        limit = float(options.get("timeout", self.timeout_seconds))
        until = monotonic() + limit
        late = False

        def chunk(data: dict[str, Any]) -> bool:
            nonlocal late
            for choice in data.get("choices", ()):
                text = choice.get("delta", {}).get("content")
                if text:
                    take(text)
            late = monotonic() > until
            return late or (abandoned is not None and abandoned.is_set())

        request: dict[str, Any] = {
            "messages": [
                {"role": _ROLES[message.type], "content": message.text} for message in messages
            ],
            "max_tokens": options.get("max_tokens", self.max_tokens),
            "temperature": options.get("temperature", self.temperature),
            "seed": options.get("seed", self.seed),
            "cache_prompt": True,
        }
        if stop:
            request["stop"] = stop
        if "response_format" in options:
            request["response_format"] = options["response_format"]
        failures: list[str] = []

        def checked(data: object) -> bool:
            if isinstance(data, str):
                data = json.loads(data)
            if not isinstance(data, dict) or "error" in data:
                failures.append("error")
                return True
            return chunk(data)

        weights = EmbeddedWeights(model=self.file, adapter=self.adapter)
        load(weights, self.threads).chat(request, checked)
        if failures:
            raise BackendError("The embedded language model refused the request.")
        if late:
            raise BackendError(f"The embedded language model did not finish within {limit:.1f} s.")
