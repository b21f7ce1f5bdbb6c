"""How fast language models write: the embedded one against its bare engine, a server with a batch.

Whole drafts of synthetic films are made by the real graph. Their experts look once and answer from
memory afterwards, so that what is timed is the writing. Figures belong together only where they
were taken in one sitting on one machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final

from agents.drafting import DraftOptions, draft_study
from agents.events import Phase, ProgressEvent
from agents.services import Services
from agents.settings import Settings
from agents.state import DraftRequest
from evaluation.llm_speed_films import Remembered, draw_films, told_classifier
from evaluation.llm_speed_table import BatchSpeed, Clock, DraftTime, EngineSpeed
from findings.errors import BackendError
from reporting.draft import Draft, Origin, Writer
from tools.contract import Expert, Role

if TYPE_CHECKING:
    from agents.aggregator.gguf import EmbeddedWeights

_CLOCKS: Final = {"wall": perf_counter, "cpu": process_time}
_TOKENS: Final = 48
_CONTEXT: Final = 1024
_WAVES: Final = 3
"""How many times as many drafts as at once are timed, so that beginning and end weigh little."""
Progress = Callable[[int, int], None]


class Bench:
    """Films, experts that remember them, and the settings to draft under."""

    def __init__(self, settings: Settings, folder: Path, experts: Mapping[Role, Expert]) -> None:
        """Films are made in `folder`, which also takes the drafts; their classifier is ours."""
        self.settings, self._folder = settings, folder
        self.films = draw_films(folder)
        told: dict[Role, Expert] = {Role.CLASSIFIER: told_classifier(self.films)}
        self._experts = {role: Remembered(expert) for role, expert in {**experts, **told}.items()}
        self._threads: list[str] = []

    def draft(
        self, number: int, writer: Writer, on_event: Callable[[ProgressEvent], None] | None = None
    ) -> Draft:
        """Draft the film of that number, in turn, by that writer."""
        film = self.films[number % len(self.films)]
        options = DraftOptions(
            aggregator=writer.value,
            out=self._folder / f"{writer.value}-{number}",
            seed=number,
        )
        services = self._services(film, writer)
        outcome = draft_study(film, options, self.settings, on_event, services)
        self._threads.append(outcome.thread_id)
        return outcome.draft

    def forget(self) -> None:
        """Take the drafts out of the checkpoints: nobody will sign them."""
        from agents.checkpoints import open_checkpoints

        with open_checkpoints(self.settings.checkpoint_file) as saver:
            for thread_id in self._threads:
                saver.delete_thread(thread_id)

    def _services(self, film: Path, writer: Writer) -> Services:
        from agents.wiring import wire

        settings = self.settings
        services = wire(settings, DraftRequest(path=str(film), aggregator=writer))
        return replace(services, experts=self._experts)


@contextmanager
def bench(settings: Settings) -> Iterator[Bench]:
    """A bench with the experts of the settings, every film seen once."""
    from agents.wiring import chosen_experts

    with tempfile.TemporaryDirectory(prefix="readingroom-bench-") as name:
        folder = Path(name)
        ready = Bench(settings, folder, chosen_experts(settings))
        try:
            for number in range(len(ready.films)):
                ready.draft(number, Writer.PHRASER)
            yield ready
        finally:
            ready.forget()


def measure_embedded(
    on: Bench, rounds: int, progress: Progress | None = None, clock: Clock = "wall"
) -> tuple[DraftTime, ...]:
    """Drafts by the embedded model, warm. Raises `BackendError` where it does not write.

    On a busy machine the processor's clock with one thread tells what an idle one would need.
    """
    total = rounds * len(on.films)
    on.draft(0, Writer.EMBEDDED)  # the first one loads the model
    times = []
    for number in range(total):
        times.append(_timed(on, number, _CLOCKS[clock]))
        if progress is not None:
            progress(number + 1, total)
    return tuple(times)


def _timed(on: Bench, number: int, now: Callable[[], float]) -> DraftTime:
    began = now()
    marks: list[tuple[float, ProgressEvent]] = []
    draft = on.draft(number, Writer.EMBEDDED, lambda e: marks.append((now(), e)))
    failed = [one for one in draft.warnings if "writer was left out" in one]
    if failed:
        raise BackendError(f"The embedded model did not write: {failed[0]}")
    start = next(t for t, e in marks if e.node == "write" and e.phase is Phase.STARTED)
    end = max(t for t, e in marks if e.node == "verify" and e.phase is Phase.FINISHED)
    shown = [(t, e.sentence) for t, e in marks if e.sentence is not None]
    own = {s.text for s in draft.sentences() if s.origin is Origin.MODEL}
    firsts = [t for t, text in shown if text in own]
    return DraftTime(
        first_sentence=shown[0][0] - start,
        first_own=firsts[0] - start if firsts else None,
        writing=end - start,
        from_begin=shown[0][0] - began,
        asked=_asked(draft),
        own=len(own),
        writer=draft.writer,
    )


def measure_engine(settings: Settings, rounds: int = 3, clock: Clock = "wall") -> EngineSpeed:
    """Decoding through the chat model and by the bare engine, in turn; the best of each.

    Raises `WeightsError` where the embedded model is not here.
    """
    import os

    from agents.aggregator.backends import MAX_THREADS
    from agents.aggregator.embedded import EmbeddedChatModel
    from agents.aggregator.gguf import EmbeddedWeights
    from models.weights import locate

    weights = EmbeddedWeights(model=locate(settings.llm.embedded_model, settings.cache_dir))
    threads = min(settings.threads or os.cpu_count() or 1, MAX_THREADS)
    chat = EmbeddedChatModel(file=weights.model, threads=threads, max_tokens=_TOKENS)
    ours, bare = [], []
    engine = _bare_engine(weights, threads)
    for _ in range(rounds):
        bare.append(_rate(_bare_tokens(engine, _CLOCKS[clock])))
        ours.append(_rate(_our_tokens(chat, _CLOCKS[clock])))
    return EngineSpeed(ours=max(ours), bare=max(bare))


_ASKED: Final = "Describe a chest X-ray with a pleural effusion on the left in many words."


def _our_tokens(chat: Any, now: Callable[[], float]) -> Iterator[float]:
    """Times at which tokens of an answer under a schema came."""
    from langchain_core.messages import HumanMessage

    text = {"type": "string", "minLength": 1, "maxLength": 2000}
    schema = {"type": "object", "properties": {"text": text}, "required": ["text"]}
    form = {"type": "json_schema", "json_schema": {"name": "text", "schema": schema}}
    for piece in chat.stream(
        [HumanMessage(_ASKED)], response_format=form, max_tokens=_TOKENS, timeout=600.0
    ):
        if piece.text:
            yield now()


def _bare_engine(weights: EmbeddedWeights, threads: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights.model)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = _CONTEXT, 1, 0
    params.verbosity = -1
    params.ui = params.endpoint_slots = False
    for cores in (params.cpuparams, params.cpuparams_batch):
        cores.n_threads = threads
    return xllamacpp.Server(params)


def _bare_tokens(engine: Any, now: Callable[[], float]) -> Iterator[float]:
    times: list[float] = []

    def take(data: object) -> bool:
        times.append(now())
        return False

    request = {
        "prompt": _ASKED,
        "n_predict": _TOKENS,
        "temperature": 0.0,
        "ignore_eos": True,
        "stream": True,
    }
    engine.handle_completions(request, take)
    yield from times


def _rate(times: Iterator[float]) -> float:
    """Tokens a second after the first one."""
    seen = list(times)
    return (len(seen) - 1) / (seen[-1] - seen[0]) if len(seen) > 1 else 0.0


def measure_server(on: Bench, at_once: int, progress: Progress | None = None) -> BatchSpeed:
    """Drafts by the served model, one at a time and `at_once`; then the same by the phraser.

    The phraser's drafts tell what the application takes besides the model. Raises `BackendError`
    where no server answers.
    """
    from agents.aggregator.backends import served_backend
    from agents.serving.health import look

    llm = on.settings.llm
    health = look(llm.base_url, llm.api_key)
    if not health.healthy:
        raise BackendError(f"The server at {llm.base_url} {health.summary}.")
    done, total = 0, 2 * (1 + _WAVES) * at_once

    def told(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    for film in range(len(on.films)):  # the first ones make connections and caches
        on.draft(film, Writer.VLLM)
    drafts, single, batch = _both_ways(on, Writer.VLLM, at_once, told)
    _, phrased_single, phrased_batch = _both_ways(on, Writer.PHRASER, at_once, told)
    return BatchSpeed(
        model=served_backend(on.settings).model.name,
        at_once=at_once,
        single_per_minute=single,
        batch_per_minute=batch,
        phrased_single_per_minute=phrased_single,
        phrased_batch_per_minute=phrased_batch,
        sentences=sum(_asked(draft) for draft in drafts) / len(drafts),
        fallen_back=sum(any("left out" in one for one in draft.warnings) for draft in drafts),
    )


def _both_ways(
    on: Bench, writer: Writer, at_once: int, told: Callable[[int], None]
) -> tuple[list[Draft], float, float]:
    """Drafts one at a time and then at once, and how many a minute either way.

    As one draft of those at once ends, the next begins: a server sees drafts in every stage.
    """
    drafts = []
    began = perf_counter()
    for number in range(at_once):
        drafts.append(on.draft(number, writer))
        told(1)
    between = perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        numbers = range(at_once, (1 + _WAVES) * at_once)
        drafts += pool.map(lambda number: on.draft(number, writer), numbers)
    ended = perf_counter()
    told(len(numbers))
    return drafts, 60 * at_once / (between - began), 60 * len(numbers) / (ended - between)


def _asked(draft: Draft) -> int:
    """Sentences that a language model was asked for."""
    return sum(s.origin in (Origin.MODEL, Origin.FALLBACK) for s in draft.sentences())
