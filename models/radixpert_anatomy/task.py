"""Training of Radixpert's second version: supervised, then by preference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.radixpert_anatomy.network import AnatomyNetwork, Seen
from models.reports.cases import CaseSet
from models.reports.preference import PreferencePair, both, dpo_loss
from models.reports.task import ReportTask

_REFERENCE_BATCH = 8


class Look(Protocol):
    """Shows cases by index."""

    def __call__(self, indices: NDArray[np.int64]) -> Seen:
        """What the network is shown of them."""


class AnatomyTask(ReportTask):
    """Cross-entropy on report tokens (eq. 9)."""

    def __init__(
        self,
        cases: CaseSet,
        look: Look,
        batch_size: int,
        balance: float,
        build: Callable[[], AnatomyNetwork],
    ) -> None:
        super().__init__(cases, batch_size, balance)
        self._look = look
        self._build = build

    def network(self) -> nn.Module:
        """See `ReportTask`."""
        return self._build()

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """The adapters, which learn at a rate of their own."""
        return [p for name, p in network.named_parameters() if "lora_" in name]

    def report_loss(
        self, network: nn.Module, indices: NDArray[np.int64], texts: Sequence[str]
    ) -> Tensor:
        """See `ReportTask`."""
        assert isinstance(network, AnatomyNetwork)
        return network.report_loss(self._look(indices), texts)


class PreferenceTask(AnatomyTask):
    """Direct preference optimisation over fixed pairs; the reference is where it starts.

    Validation adds how often the preferred report is the likelier one, on pairs kept aside.
    """

    def __init__(
        self,
        cases: CaseSet,
        look: Look,
        batch_size: int,
        balance: float,
        build: Callable[[], AnatomyNetwork],
        start: dict[str, Tensor],
        pairs: Sequence[PreferencePair],
        beta: float,
    ) -> None:
        """``start`` is what the supervised stage came to; every tenth pair is kept aside."""
        super().__init__(cases, look, batch_size, balance, build)
        self._start = start
        self._kept = list(pairs[::10])
        self._pairs = [pair for place, pair in enumerate(pairs) if place % 10]
        self._beta = beta
        self._reference = torch.empty(0, 2)

    def network(self) -> nn.Module:
        """The supervised network; its own judgement of every pair is noted first."""
        network = self._build()
        if self._start:
            network.load_state_dict(self._start)
        network.eval()
        with torch.inference_mode():
            found = [
                self._judge(network, self._pairs[place : place + _REFERENCE_BATCH])
                for place in range(0, len(self._pairs), _REFERENCE_BATCH)
            ]
        self._reference = torch.cat(found).clone()
        return network

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """The preference loss of a random batch of pairs."""
        assert isinstance(network, AnatomyNetwork)
        count = min(self.batch_size, len(self._pairs))
        chosen = random.choice(len(self._pairs), size=count, replace=False)
        policy = self._judge(network, [self._pairs[int(place)] for place in chosen])
        return dpo_loss(policy, self._reference[torch.from_numpy(chosen)], self._beta)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """See `ReportTask`; ``preferred`` is the share of kept pairs that are ranked right."""
        assert isinstance(network, AnatomyNetwork)
        figures = super().validate(network)
        right = [
            self._judge(network, self._kept[place : place + _REFERENCE_BATCH])
            for place in range(0, len(self._kept), _REFERENCE_BATCH)
        ]
        judged = torch.cat(right)
        return figures | {"preferred": float((judged[:, 0] > judged[:, 1]).float().mean())}

    def _judge(self, network: AnatomyNetwork, pairs: Sequence[PreferencePair]) -> Tensor:
        return both(
            pairs, lambda indices, texts: network.log_probability(self._look(indices), texts)
        )
