"""Training of report models on cases: a task of the one training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.reports.cases import CaseSet

_VALIDATION_SEED = 20261122


class ReportTask(ABC):
    """A task of :class:`models.training.loop.TrainingLoop`.

    Images are never mirrored: their reports have sides.
    """

    best_metric = "agreement"

    def __init__(self, cases: CaseSet, batch_size: int, balance: float) -> None:
        """``balance`` as in `models.reports.preset.CaseSettings`."""
        self.cases = cases
        self.batch_size = batch_size
        self._chances = cases.chances(balance)

    @abstractmethod
    def network(self) -> nn.Module:
        """Build the network with its initial weights."""

    @abstractmethod
    def report_loss(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> Tensor:
        """Mean loss of ``texts`` as the reports of the images at ``indices``."""

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters that learn at ``trunk_learning_rate``: none, unless a model says so."""
        return []

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Random training cases, as many as a batch has."""
        found: NDArray[np.int64] = random.choice(
            self.cases.training, size=self.batch_size, p=self._chances
        )
        return found

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Loss of a random batch."""
        indices = self.draw(random)
        return self.report_loss(network, indices, self._texts(indices, random))

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Loss on the validation cases, whose reports are worded alike each time.

        ``image_gain`` is what the right image takes off the loss, compared with the image of
        another case: nearly 0 means that the model writes the same report of everybody.
        """
        order = self.cases.validation
        others = np.roll(order, len(order) // 2)
        sums = {True: 0.0, False: 0.0}
        for start in range(0, len(order), self.batch_size):
            batch = slice(start, start + self.batch_size)
            random = np.random.default_rng([_VALIDATION_SEED, start])
            texts = self._texts(order[batch], random)
            for own, shown in ((True, order[batch]), (False, others[batch])):
                sums[own] += float(self.report_loss(network, shown, texts)) * len(shown)
        right, wrong = sums[True] / len(order), sums[False] / len(order)
        return {"loss": right, "image_gain": wrong - right, self.best_metric: -right}

    def _texts(self, indices: NDArray[np.int64], random: np.random.Generator) -> list[str]:
        return [self.cases.report(int(index), random) for index in indices]
