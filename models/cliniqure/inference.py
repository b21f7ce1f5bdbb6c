"""Write reports with a trained CliniQure writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError
from models.cliniqure.config import CliniqureConfig
from models.cliniqure.network import CliniqureWriter
from models.cliniqure.observing import FilmObserver
from models.cliniqure.prompting import VERSION, Observation, structured_prompt
from models.language.loading import language_model_sha256, load_language_model
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import Decoding, WrittenReport
from models.reports.sentences import split_report
from models.reports.writing import TrainedWriter
from models.shipping import read_config


class CliniqureReporter(TrainedWriter[CliniqureConfig]):
    """Observes the film, then writes.

    Whoever has observed the film already hands that over (`write_observed`).
    """

    def __init__(
        self,
        config: CliniqureConfig,
        network: CliniqureWriter,
        observer: Callable[[], FilmObserver] = FilmObserver,
    ) -> None:
        """``observer`` is called on first use of `write`."""
        super().__init__(config)
        self._network = network.eval().requires_grad_(False)
        self._make_observer = observer
        self._observer: FilmObserver | None = None

    @property
    def observer(self) -> FilmObserver:
        """The classifier, detector and crude-report generator in use. Raises `WeightsError`."""
        with self._turn:
            if self._observer is None:
                self._observer = self._make_observer()
            return self._observer

    def _reports(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> tuple[WrittenReport, ...]:
        seen = [self.observer.observe(display, seed) for display in displays]
        return self.write_observed(seen, seed, decoding)

    def write_observed(
        self,
        observations: Sequence[Observation],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[WrittenReport, ...]:
        """Reports of what was seen; the same for the same input, settings and seed."""
        inputs = self.config.switches.inputs
        prompts = [structured_prompt(seen, inputs) for seen in observations]
        if not prompts:
            return ()
        # A language model's remembered keys belong to one call.
        with self._turn:
            texts = self._network.write(prompts, decoding or self.config.decoding, seed)
        return tuple(WrittenReport(split_report(text), text) for text in texts)


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
