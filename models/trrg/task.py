"""Training of TRRG's second stage: words of reports, and consistency of film and clues."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.vocabulary import Language
from models.reports.cases import CaseSet
from models.reports.prompts import REPORT_PROMPT
from models.reports.task import ReportTask
from models.trrg.network import TrrgNetwork

Look = Callable[[NDArray[np.int64]], Tensor]
"""Cases by index -> the image encoder's tokens."""


class TrrgTask(ReportTask):
    """L = CE + DC (TRRG, equation 5); validated on CE alone."""

    def __init__(
        self,
        cases: CaseSet,
        batch_size: int,
        balance: float,
        look: Look,
        clues: NDArray[np.int64],
        build: Callable[[], TrrgNetwork],
        language: Language = Language.ENGLISH,
    ) -> None:
        """``clues`` ``(cases, places)`` are the told clues of every case."""
        super().__init__(cases, batch_size, balance)
        self._look = look
        self._clues = clues
        self._build = build
        self._prompt = REPORT_PROMPT[language]

    def network(self) -> nn.Module:
        """See `ReportTask`."""
        return self._build()

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """See `ReportTask`."""
        indices = self.draw(random)
        words, consistency = self._losses(network, indices, self._texts(indices, random))
        return words if consistency is None else words + consistency

    def report_loss(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> Tensor:
        """See `ReportTask`."""
        return self._losses(network, indices, texts)[0]

    def _losses(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> tuple[Tensor, Tensor | None]:
        assert isinstance(network, TrrgNetwork)
        prefix, consistency = network.prefix(
            self._look(indices), torch.from_numpy(self._clues[indices])
        )
        return network.language.loss(prefix, texts, self._prompt), consistency
