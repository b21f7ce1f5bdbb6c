"""A server from its plan to its end: checked, started, healthy, recorded, stopped."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from agents.serving.environment import ServerEnvironment, process_environment
from agents.serving.plan import MODULE, ServerPlan, computes_in_bfloat16
from agents.serving.process import ServerProcess, Stage
from agents.serving.record import (
    Served,
    ServerRecord,
    running_server,
    sole_server,
    write_record,
)
from agents.settings import Settings
from findings.errors import BackendError

LOG: Final = "server.log"
_STOP_SECONDS: Final = 40.0


@contextmanager
def served(
    plan: ServerPlan,
    names: tuple[Served, ...],
    environment: ServerEnvironment,
    settings: Settings,
    *,
    wait_seconds: float = 900.0,
    on_stage: Stage | None = None,
) -> Iterator[tuple[ServerProcess, ServerRecord]]:
    """A healthy server for the time of a `with` block; afterwards no process of it is left.

    Raises `BackendError` where another one runs, its port is taken, or it does not become healthy.
    """
    key = None if settings.llm.api_key == "none" else settings.llm.api_key
    with sole_server(settings.cache_dir) as folder:
        _require_free(plan.host, plan.port)
        process = ServerProcess(
            environment.python,
            MODULE,
            plan.arguments(bfloat16=computes_in_bfloat16()),
            process_environment(plan.device, key=key),
            folder / LOG,
        )
        with process:
            process.wait_until_healthy(plan.address, settings.llm.api_key, wait_seconds, on_stage)
            record = ServerRecord(
                pid=os.getpid(),
                address=plan.address,
                device=plan.device,
                served=names,
                tools="" if plan.tools is None else plan.tools.parser,
            )
            write_record(folder, record)
            yield process, record


def stop_server(cache_dir: Path, seconds: float = _STOP_SECONDS) -> ServerRecord | None:
    """End the server that this application started, as Ctrl-C there would; `None`: there is none.

    Raises `BackendError` where it does not end in time.
    """
    record = running_server(cache_dir)
    if record is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    until = monotonic() + seconds
    while running_server(cache_dir) is not None:
        if monotonic() > until:
            raise BackendError(
                f"The server did not end within {seconds:.0f} s. End process {record.pid} yourself."
            )
        sleep(0.2)
    return record


def _require_free(host: str, port: int) -> None:
    """Raises `BackendError` where someone listens on that port already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BackendError(
                f"Port {port} of {host} cannot be opened ({error.strerror}). Give another by "
                "--port, and the same in llm.base_url."
            ) from error
