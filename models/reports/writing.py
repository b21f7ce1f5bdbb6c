"""Writing reports with a trained model."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from findings.vocabulary import Language
from models.reports.checkpoint import ReportConfig
from models.reports.contract import Decoding, ReportModelName, WrittenReport
from models.reports.guards import without_figures
from models.reports.sentences import split_report
from models.reports.vision import ImageEncoder

Config = TypeVar("Config", bound=ReportConfig)


class WritingNetwork(Protocol):
    """What turns image vectors into texts, one for each row."""

    def write(self, vectors: Tensor, decoding: Decoding, seed: int = 0) -> list[str]:
        """The same for the same input, settings and seed."""


class TrainedWriter(ABC, Generic[Config]):
    """A `ReportWriter` by its config; one instance may be used from several threads, in turn."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._turn = threading.RLock()

    @property
    def name(self) -> ReportModelName:
        """Which paper's."""
        return self.config.model

    @property
    def language(self) -> Language:
        """The language of its reports."""
        return self.config.language

    def write(
        self,
        displays: Sequence[NDArray[np.float32]],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[WrittenReport, ...]:
        """See `models.reports.contract.ReportWriter`."""
        if not displays:
            return ()
        with self._turn:
            return self._reports(displays, decoding or self.config.decoding, seed)

    @abstractmethod
    def _reports(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> tuple[WrittenReport, ...]:
        """The reports of these images, of which there is at least one."""


class NetworkWriter(TrainedWriter[Config]):
    """Writes what a network writes; what the network is shown differs by paper.

    Sentences that state a figure are left out (see `models.reports.guards`); ``text`` keeps what
    was written.
    """

    def _reports(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> tuple[WrittenReport, ...]:
        return tuple(
            WrittenReport(without_figures(split_report(text)), text)
            for text in self._texts(displays, decoding, seed)
        )

    @abstractmethod
    def _texts(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> list[str]:
        """What the network writes of each image."""


class EncodedReportWriter(NetworkWriter[ReportConfig]):
    """Writes from an encoder's vectors alone, with a network in evaluation mode."""

    def __init__(
        self, config: ReportConfig, encoder: ImageEncoder, network: WritingNetwork
    ) -> None:
        super().__init__(config)
        self._encoder = encoder
        self._network = network

    def _texts(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> list[str]:
        return self._network.write(self._encoder.encode(displays), decoding, seed)
