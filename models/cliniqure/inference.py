"""Write reports with a trained CliniQure writer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.cliniqure.config import CliniqureConfig
from models.cliniqure.network import CliniqureWriter
from models.cliniqure.observing import FilmObserver
from models.cliniqure.prompting import VERSION, Observation, structured_prompt
from models.language.loading import language_model_sha256, load_language_model
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import Decoding, ReportModelName, WrittenReport
from models.reports.sentences import split_report
from models.shipping import read_config


class CliniqureReporter:
    """A `models.reports.contract.ReportWriter`: observes the film, then writes.

    Whoever has observed the film already hands that over (`write_observed`).
    """

    name = ReportModelName.CLINIQURE
    language = Language.ENGLISH

    def __init__(
        self,
        config: CliniqureConfig,
        network: CliniqureWriter,
        observer: Callable[[], FilmObserver] = FilmObserver,
    ) -> None:
        """``observer`` is called on first use of `write`."""
        self.config = config
        self._network = network.eval().requires_grad_(False)
        self._make_observer = observer
        self._observer: FilmObserver | None = None
        self._lock = threading.Lock()

    @property
    def observer(self) -> FilmObserver:
        """The classifier, detector and crude-report generator in use. Raises `WeightsError`."""
        with self._lock:
            if self._observer is None:
                self._observer = self._make_observer()
            return self._observer

    def write(
        self,
        displays: Sequence[NDArray[np.float32]],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[WrittenReport, ...]:
        """See `ReportWriter`; the seconds count the networks that observe the film."""
        started = time.perf_counter()
        seen = [self.observer.observe(display, seed) for display in displays]
        observing = (time.perf_counter() - started) / max(1, len(seen))
        return tuple(
            WrittenReport(own.sentences, own.text, own.seconds + observing)
            for own in self.write_observed(seen, seed, decoding)
        )

    def write_observed(
        self,
        observations: Sequence[Observation],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[WrittenReport, ...]:
        """Reports of what was seen; the same for the same input, settings and seed."""
        started = time.perf_counter()
        inputs = self.config.switches.inputs
        prompts = [structured_prompt(seen, inputs) for seen in observations]
        if not prompts:
            return ()
        # A language model's remembered keys belong to one call.
        with self._lock:
            texts = self._network.write(prompts, decoding or self.config.decoding, seed)
        seconds = (time.perf_counter() - started) / len(texts)
        return tuple(WrittenReport(split_report(text), text, seconds) for text in texts)


def load_cliniqure(folder: Path, cache: Path) -> CliniqureReporter:
    """Load a trained writer; its language model is one that was pulled into ``cache``.

    Raises:
        WeightsError: the folder is damaged, was trained with another prompt, or the language
            model is missing or not the one it was trained on.
    """
    config = read_config(folder, CliniqureConfig)
    if config.prompt_version != VERSION:
        raise WeightsError(
            f"The CliniQure writer was trained with version {config.prompt_version} of the prompt "
            f"and this is version {VERSION}, so it is not used. Train it again."
        )
    own = config.backbones
    found = language_model_sha256(own.language, cache, own.language_sha256)
    require_same(found, config.language_model_sha256, "language model")
    model, tokenizer = load_language_model(
        own.language, cache, dtype=own.language_dtype, sha256=own.language_sha256
    )
    network = CliniqureWriter(
        model,
        tokenizer,
        config.lora if config.switches.lora else None,
        config.answer_tokens,
    )
    load_trained(network, folder, config)
    return CliniqureReporter(config, network)
