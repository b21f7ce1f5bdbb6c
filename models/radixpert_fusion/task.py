"""Training of Radixpert's first version, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.radixpert_fusion.network import FusionNetwork
from models.reports.cases import CaseSet
from models.reports.task import ReportTask
from models.reports.vision import ImageVectors


class FusionTask(ReportTask):
    """One stage's cases and what may learn in it."""

    def __init__(
        self,
        cases: CaseSet,
        vectors: ImageVectors,
        batch_size: int,
        balance: float,
        build: Callable[[], FusionNetwork],
        stage: str,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        """``start`` is what the stage before came to."""
        super().__init__(cases, batch_size, balance)
        self._vectors = vectors
        self._build = build
        self._stage = stage
        self._start = start

    def network(self) -> nn.Module:
        """See `ReportTask`."""
        network = self._build()
        network.stage(self._stage)
        if self._start:
            network.load_state_dict(self._start)
        return network

    def report_loss(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> Tensor:
        """See `ReportTask`."""
        assert isinstance(network, FusionNetwork)
        return network.report_loss(self._vectors(indices), texts)
