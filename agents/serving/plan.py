"""What a server is to serve and how: a plan, and the arguments of vLLM that carry it out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from agents.serving.environment import Device
from agents.serving.tool_calls import ToolCalls
from findings.claims import Frozen
from findings.errors import SettingsError

MODULE: Final = "vllm.entrypoints.openai.api_server"
NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that vLLM sets room aside for."""
_ADAPTERS_AT_ONCE: Final = 4
_TOKENS_A_PIECE: Final = 8
_CPU_BLOCK: Final = 32


class ServedAdapter(Frozen):
    """An adapter that clients ask for by its name, as if it were a model."""

    name: str
    folder: Path
    rank: int = Field(ge=1)
    prompt: str = ""
    """File name of the prompt that it was tuned with."""
    version: str = ""
    licence: str = ""
    sha256: str = ""

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        return plain_name(name)


class ServerPlan(Frozen):
    """One server."""

    model: Path
    """A folder with config, safetensors and tokenizer."""
    name: str = "readingroom"
    """What clients call the model."""
    adapters: tuple[ServedAdapter, ...] = ()
    device: Device = Device.CPU
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    context: int = Field(default=4096, ge=256)
    """Tokens of prompt and answer together."""
    requests_at_once: int = Field(default=16, ge=1)
    requests_waiting: int = Field(default=256, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    pipeline_parallel: int = Field(default=1, ge=1)
    ray: bool = False
    """Spread over the machines of a Ray cluster instead of the GPUs of this one."""
    quantization: str | None = None
    """As vLLM names it, for weights to quantise while loading; weights quantised before say it."""
    memory_share: float | None = Field(default=None, gt=0, le=1)
    """Of the GPU's memory."""
    compiled: bool = False
    """Compile first: minutes at the start, faster afterwards."""
    tools: ToolCalls | None = None
    """How the model calls tools, which a conversation needs; `None`: it cannot."""

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        return plain_name(name)

    @property
    def address(self) -> str:
        """The base URL for clients on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}/v1" if ":" in host else f"http://{host}:{self.port}/v1"

    def arguments(self, *, bfloat16: bool = True) -> tuple[str, ...]:
        """The arguments of vLLM's server; `bfloat16`: whether the processor computes in it."""
        words = [
            *("--model", str(self.model), "--served-model-name", self.name),
            *("--host", self.host, "--port", str(self.port)),
            *("--max-model-len", str(self.context)),
            *("--max-num-seqs", str(self.requests_at_once)),
            *("--max-num-queued-reqs", str(self.requests_waiting)),
            # Weights are read, never code: no pickles and nothing of the model's folder is run.
            *("--load-format", "safetensors", "--no-trust-remote-code"),
            # Greedy answers stay greedy, whatever the model's folder recommends.
            *("--generation-config", "vllm"),
            *("--structured-outputs-config", _STRICT_JSON),
            # Every piece of a stream costs the server and its clients a message to make and read.
            *("--stream-interval", str(_TOKENS_A_PIECE)),
            # The log never holds a prompt or an answer.
            *("--no-enable-log-requests", "--no-enable-log-outputs", "--disable-log-stats"),
            *("--uvicorn-log-level", "warning", "--shutdown-timeout", "0"),
        ]
        if not self.compiled and self.device is Device.CPU:
            words.append("--enforce-eager")
        if self.device is Device.CPU:
            words += ["--dtype", "bfloat16" if bfloat16 else "float32"]
            # Whole blocks alone are kept of a prompt's beginning. vLLM's 128 tokens are most of one
            # of ours, and half of what the prompts share would be read anew each time.
            words += ["--block-size", str(_CPU_BLOCK)]
        if self.tools is not None:
            words += ["--enable-auto-tool-choice", "--tool-call-parser", self.tools.parser]
            if self.tools.template is not None:
                words += ["--chat-template", str(self.tools.template)]
        if self.adapters:
            words += ["--enable-lora", "--max-lora-rank", str(self._rank_room())]
            words += ["--max-loras", str(min(len(self.adapters), _ADAPTERS_AT_ONCE))]
            words += ["--lora-modules", *(f"{one.name}={one.folder}" for one in self.adapters)]
        if self.tensor_parallel > 1:
            words += ["--tensor-parallel-size", str(self.tensor_parallel)]
        if self.pipeline_parallel > 1:
            words += ["--pipeline-parallel-size", str(self.pipeline_parallel)]
        if self.ray:
            words += ["--distributed-executor-backend", "ray"]
        if self.quantization is not None:
            words += ["--quantization", self.quantization]
        if self.memory_share is not None:
            words += ["--gpu-memory-utilization", str(self.memory_share)]
        return tuple(words)

    def _rank_room(self) -> int:
        """The smallest room that holds every adapter. Raises `SettingsError` where none does."""
        largest = max(adapter.rank for adapter in self.adapters)
        room = next((rank for rank in _RANKS if rank >= largest), None)
        if room is None:
            raise SettingsError(
                f"An adapter of rank {largest} is more than the server takes ({_RANKS[-1]}). Merge "
                "it into the model instead: --merged."
            )
        return room


# A small model under a schema that allows blanks between the words may write blanks for ever.
_STRICT_JSON: Final = json.dumps({"backend": "xgrammar", "disable_any_whitespace": True})


def plain_name(name: str) -> str:
    """The name of a model or adapter. Raises `SettingsError` where it is none."""
    if NAME_PATTERN.fullmatch(name) is None:
        raise SettingsError(
            f"'{name[:64]}' is no name for a model: give small letters, digits, '-', '_' and '.', "
            "beginning with a letter or digit."
        )
    return name


def computes_in_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; without, it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return any(name in flags for name in ("avx512_bf16", "amx_bf16", " bf16"))
