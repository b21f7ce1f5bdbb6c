"""The writer's lessons: symptoms and diseases as in the paper, or reports under the prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.cliniqure.diseases import SymptomCase
from models.cliniqure.network import CliniqureWriter
from models.cliniqure.observing import simulated
from models.cliniqure.preset import CliniqureSettings
from models.cliniqure.prompting import Inputs, Observation, structured_prompt, symptom_prompt
from models.reports.cases import CaseSet
from models.reports.task import ReportTask

Make = Callable[[], CliniqureWriter]
_VALIDATION_SEED = 20261122
_MOST_VALIDATION = 64


class SymptomTask:
    """A task of the training loop: the disease that goes with symptoms (section 5.3)."""

    best_metric = "agreement"

    def __init__(self, make: Make, cases: Sequence[SymptomCase], batch_size: int) -> None:
        """``make`` builds the writer."""
        self._make = make
        self._training = [case for case in cases if not case.validation]
        self._validation = [case for case in cases if case.validation][:_MOST_VALIDATION]
        self._batch_size = batch_size

    def network(self) -> nn.Module:
        """The writer with its adapters at zero."""
        return self._make()

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """None: the language model does not learn."""
        return []

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Loss of the diseases of a random batch."""
        places = random.integers(len(self._training), size=self._batch_size)
        return self._loss(network, [self._training[int(place)] for place in places])

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Loss of diseases that training never shows; at most 64."""
        total = 0.0
        for start in range(0, len(self._validation), self._batch_size):
            batch = self._validation[start : start + self._batch_size]
            total += float(self._loss(network, batch)) * len(batch)
        mean = total / max(1, len(self._validation))
        return {"loss": mean, self.best_metric: -mean}

    def _loss(self, network: nn.Module, cases: Sequence[SymptomCase]) -> Tensor:
        assert isinstance(network, CliniqureWriter)
        prompts = [symptom_prompt(case.symptoms) for case in cases]
        return network.loss(prompts, [case.disease for case in cases])


class PromptedReportTask(ReportTask):
    """Reports under the structured prompt.

    Observations are those given, film by film, or made from the labels with errors.
    """

    def __init__(
        self,
        make: Make,
        cases: CaseSet,
        settings: CliniqureSettings,
        inputs: Inputs,
        batch_size: int,
        balance: float,
        observed: Sequence[Observation] | None = None,
    ) -> None:
        """``observed`` is parallel to the cases."""
        super().__init__(cases, batch_size, balance)
        self._make = make
        self._settings = settings
        self._inputs = inputs
        self._observed = observed

    def network(self) -> nn.Module:
        """The writer with its adapters at zero."""
        return self._make()

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Loss of a random batch, each film observed anew."""
        indices = self.draw(random)
        texts = [self.cases.report(int(index), random) for index in indices]
        return self._loss(network, [self.observe(int(index), random) for index in indices], texts)

    def report_loss(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> Tensor:
        """Loss with each film observed alike each time, for validation."""
        randoms = [np.random.default_rng([_VALIDATION_SEED, int(index)]) for index in indices]
        seen = [self.observe(int(i), own) for i, own in zip(indices, randoms, strict=True)]
        return self._loss(network, seen, texts)

    def observe(self, index: int, random: np.random.Generator) -> Observation:
        """What the prompt of a film says."""
        if self._observed is not None:
            return self._observed[index]
        claims = self.cases.cases[index].claims
        return simulated(claims, self.cases.reword, self._settings.noise, random)

    def _loss(
        self, network: nn.Module, seen: Sequence[Observation], texts: Sequence[str]
    ) -> Tensor:
        assert isinstance(network, CliniqureWriter)
        return network.loss([structured_prompt(own, self._inputs) for own in seen], texts)
