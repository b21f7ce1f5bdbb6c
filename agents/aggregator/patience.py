"""Patience with a served model: passing faults are tried again, a dead server is left alone.

Retries follow "exponential backoff with full jitter", so that drafts that failed together do not
come back together. The breaker is the usual one of three states: closed; open after some failures
in a row, when nothing is asked; and half open after a rest, when one request tries the server.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Final, TypeVar

from findings.claims import Frozen
from findings.errors import BackendError

Answer = TypeVar("Answer")

FAILURES_BEFORE_REST: Final = 3
REST_SECONDS: Final = 30.0
_breakers: Final[dict[str, CircuitBreaker]] = {}
_making: Final = threading.Lock()


class CircuitBreaker:
    """Whether a server is worth asking, shared by all drafts of the process."""

    def __init__(
        self,
        failures: int = FAILURES_BEFORE_REST,
        rest_seconds: float = REST_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Opens after that many failures in a row; `clock` counts seconds."""
        self._most, self._rest, self._clock = failures, rest_seconds, clock
        self._failed = 0
        self._open_until: float | None = None
        self._trying = False
        self._lock = threading.Lock()

    def admit(self) -> None:
        """Let a request through. Raises `BackendError` while the server is left alone."""
        with self._lock:
            if self._open_until is None:
                return
            left = self._open_until - self._clock()
            if left > 0 or self._trying:
                raise BackendError(
                    f"The served language model failed {self._failed} times in a row and is left "
                    f"alone for {max(left, 1):.0f} s more. 'readingroom llm status' says what "
                    "answers there."
                )
            self._trying = True

    def succeeded(self) -> None:
        """The server answered: ask it as usual."""
        with self._lock:
            self._failed, self._open_until, self._trying = 0, None, False

    def failed(self) -> None:
        """The server did not answer, or not in time."""
        with self._lock:
            self._failed += 1
            self._trying = False
            if self._failed >= self._most:
                self._open_until = self._clock() + self._rest


def breaker_of(address: str) -> CircuitBreaker:
    """The breaker of the server at that address, one per process."""
    with _making:
        return _breakers.setdefault(address, CircuitBreaker())


class RetryPolicy(Frozen):
    """How often and after what pauses a request is made again."""

    retries: int = 2
    first_pause: float = 0.25
    """Seconds; each further pause may be twice as long."""
    longest_pause: float = 2.0

    def pauses(self, chance: random.Random) -> Iterator[float]:
        """A random pause before each retry, between nothing and a bound that doubles."""
        for number in range(self.retries):
            yield chance.uniform(0.0, min(self.longest_pause, self.first_pause * 2**number))


def patiently(
    ask: Callable[[float], Answer],
    seconds: float,
    *,
    policy: RetryPolicy,
    breaker: CircuitBreaker,
    passing: Callable[[Exception], bool],
    pause: Callable[[float], None] = sleep,
    clock: Callable[[], float] = monotonic,
) -> Answer:
    """What `ask` gives, called with the seconds left, again after faults that may pass.

    A fault that will not pass, as a refused request, is raised at once and says nothing about the
    server's health. Raises what `ask` raised last, or `BackendError` where the breaker is open.
    """
    until = clock() + seconds
    pauses = policy.pauses(random.Random())
    while True:
        breaker.admit()
        try:
            answer = ask(max(until - clock(), 0.01))
        except Exception as error:
            if not passing(error):
                breaker.succeeded()
                raise
            breaker.failed()
            wait = next(pauses, None)
            if wait is None or clock() + wait >= until:
                raise
            pause(wait)
        except BaseException:  # an interruption is nobody's fault, and frees the trial
            breaker.succeeded()
            raise
        else:
            breaker.succeeded()
            return answer
