"""A server as a process of this machine: started, waited for until healthy, stopped for good."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Final, Self

from agents.serving.health import Health, look
from findings.errors import BackendError

Stage = Callable[[str, float], None]
"""Called with what the server is doing and the seconds since its start."""

CHILD: Final = Path(__file__).with_name("child.py")
_LOOK_EVERY: Final = 1.0
_GRACE_SECONDS: Final = 15.0
_TAIL_BYTES: Final = 64 * 1024
_STAGES: Final = (
    ("Starting vLLM server", "opening its port"),
    ("Available routes", "opening its port"),
    ("init engine", "warming up"),
    ("Dynamo bytecode transform", "compiling"),
    ("KV cache size", "warming up"),
    ("Loading weights took", "making room for the cache"),
    ("Starting to load model", "loading weights"),
    ("Initializing a V1", "starting its engine"),
)
"""What vLLM's log says, latest stage first, in words."""


class ServerProcess:
    """A server and its helpers, in a process group of their own.

    Used as a context: on leaving it, all of them are gone.
    """

    def __init__(
        self,
        python: Path,
        module: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        log: Path,
        child: Path = CHILD,
    ) -> None:
        """`log` takes what the server prints; the one before is kept beside it."""
        self._command = [str(python), "-I", "-u", str(child), str(os.getpid()), module, *arguments]
        self._environment, self._log = dict(environment), log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it. Raises `BackendError` where its interpreter cannot be run."""
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        self._started = monotonic()
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._log.parent,
                start_new_session=True,  # a Ctrl-C is for us alone: we stop it in order
            )
        except OSError as error:
            raise BackendError(
                f"The language model server cannot be started ({type(error).__name__}). Build its "
                "environment again with 'make vllm'."
            ) from error
        finally:
            os.close(descriptor)

    def wait_until_healthy(
        self, address: str, key: str, seconds: float, on_stage: Stage | None = None
    ) -> Health:
        """Wait until it answers at `address`. Raises `BackendError` where it ends or takes longer.

        The error quotes the last error line of the log, which holds no prompt.
        """
        while True:
            if not self.running:
                raise BackendError(
                    f"The language model server ended while starting: {self._last_words()} Its "
                    f"log is {self._log.name} in the cache folder's 'serving'."
                )
            health = look(address, key, seconds=2.0)
            passed = monotonic() - self._started
            if on_stage is not None:
                on_stage("ready" if health.healthy else self._stage(), passed)
            if health.healthy:
                return health
            if passed > seconds:
                raise BackendError(
                    f"The language model server was not ready within {seconds:.0f} s and was "
                    "stopped. Give it longer by --wait, or a smaller model."
                )
            sleep(_LOOK_EVERY)

    def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""
        return 0 if self._process is None else self._process.wait()

    def stop(self) -> None:
        """End it and all its helpers: first asked, then made to."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
        # The group holds its helpers too; where all have gone, there is no such group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._process = None

    def _tail(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL_BYTES))
                return file.read().decode("utf-8", errors="replace")
        except OSError:
            return ""

    def _stage(self) -> str:
        text = self._tail()
        return next((words for mark, words in _STAGES if mark in text), "loading its libraries")

    def _last_words(self) -> str:
        """The last line that tells of an error, without paths."""
        lines = [line.strip() for line in self._tail().splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower()] or lines
        last = telling[-1] if telling else "it said nothing"
        words = [word for word in last.split() if "/" not in word]
        return " ".join(words)[-300:].rstrip(".") + "."
