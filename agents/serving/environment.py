"""The server's own Python environment, as `make vllm` builds it, and what its process may see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from findings.claims import Frozen
from findings.errors import BackendError

ENVIRONMENT: Final = ".venv-vllm"
_BUILT: Final = ".installed-{device}"
_PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES",
)  # fmt: skip
_PREFIXES_PASSED_ON: Final = ("VLLM_", "NCCL_", "RAY_", "TORCH_", "GLOO_")


class Device(StrEnum):
    """What the server computes on."""

    CPU = "cpu"
    GPU = "gpu"


class ServerEnvironment(Frozen):
    """One built environment."""

    folder: Path
    devices: tuple[Device, ...]
    """What its build of vLLM computes on."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def device(self) -> Device:
        """The device to use unless told otherwise: a GPU build was built for its GPU."""
        return Device.GPU if Device.GPU in self.devices else Device.CPU


def find_environment(folder: Path | None) -> ServerEnvironment:
    """The environment at `folder`, by default beside the application's code.

    Raises `BackendError` where `make vllm` has not built it.
    """
    home = folder or Path(__file__).resolve().parents[2] / ENVIRONMENT
    devices = tuple(d for d in Device if (home / _BUILT.format(device=d.value)).is_file())
    if not devices or not (home / "bin" / "python").exists():
        raise BackendError(
            "The language model server is not built here. Build it with 'make vllm' (3 minutes, "
            "4 GB), or name its folder by READINGROOM_LLM__SERVER_ENVIRONMENT."
        )
    return ServerEnvironment(folder=home, devices=devices)


def process_environment(
    device: Device,
    *,
    key: str | None,
    cache_gib: int = 1,
    given: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment variables of the server's process.

    Only what it needs is passed on, so that no secret of this process reaches it. It is kept off
    the network's model hub and sends no usage statistics. `key` is what clients must give; in the
    environment, unlike among the arguments, other users of the machine cannot read it.
    """
    given = os.environ if given is None else given
    passed = {
        name: value
        for name, value in given.items()
        if name in _PASSED_ON or name.startswith(_PREFIXES_PASSED_ON)
    }
    fixed = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
    }
    if key is not None:
        fixed["VLLM_API_KEY"] = key
    if device is Device.CPU:
        passed.setdefault("VLLM_CPU_OMP_THREADS_BIND", _cores_but_one())
        passed.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cache_gib))
    return passed | fixed


def _cores_but_one() -> str:
    """The cores that this process may use, as vLLM wants them named: `0,1,2`.

    One is left to the front end and to the application, where there are several: the engine's
    threads wait for each other, and one that shares its core with others makes all of them wait.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
    else:
        cores = list(range(os.cpu_count() or 1))
    return ",".join(str(core) for core in cores[: max(len(cores) - 1, 1)])
