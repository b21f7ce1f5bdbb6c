"""Training of the crude-report generator on weak reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from findings.claims import Claim
from findings.vocabulary import Finding
from models.crude_report.composing import ReportComposer
from models.crude_report.network import CrudeReportNetwork, word_loss
from models.crude_report.preset import CrudeReportSettings
from models.crude_report.tokens import END, PADDING, START, Vocabulary

Look = Callable[[NDArray[np.int64]], Tensor]
"""Indices of radiographs -> what the network is shown of them."""

_VALIDATION_SEED = 20260704


class CrudeReportTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Images are never mirrored: their reports have sides.
    """

    best_metric = "agreement"

    def __init__(
        self,
        settings: CrudeReportSettings,
        batch_size: int,
        composer: ReportComposer,
        vocabulary: Vocabulary,
        claims: Sequence[Sequence[Claim]],
        look: Look,
        training: NDArray[np.int64],
        validation: NDArray[np.int64],
        hints: NDArray[np.float32] | None = None,
        backbone: dict[str, Tensor] | None = None,
    ) -> None:
        """``claims`` and ``hints`` are those of every radiograph that ``look`` knows by index."""
        self._settings = settings
        self._batch_size = batch_size
        self._composer = composer
        self._vocabulary = vocabulary
        self._claims = claims
        self._look = look
        self._training = training
        self._validation = validation
        self._hints = hints
        self._backbone = backbone
        self._chances = balanced_chances([claims[index] for index in training], settings.balance)

    def network(self) -> nn.Module:
        """Build the network, its backbone with the weights that were given."""
        network = CrudeReportNetwork(self._settings.shape, len(self._vocabulary))
        if self._backbone is not None:
            network.extractor.load_state_dict(self._backbone)
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters of the ResNet-101; none where the trunk is the classifier's."""
        assert isinstance(network, CrudeReportNetwork)
        return list(network.extractor.parameters())

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Cross-entropy of newly composed reports for a random batch."""
        indices = random.choice(self._training, size=self._batch_size, p=self._chances)
        blank = torch.from_numpy(random.random(len(indices)) < self._settings.blank_share)
        return self._loss_of(network, indices, blank, random)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Loss on the validation images, whose reports are composed alike each time.

        ``image_gain`` is what the image takes off the loss: nearly 0 means that the generator
        writes the same report of everybody.
        """
        losses: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
        for start in range(0, len(self._validation), self._batch_size):
            indices = self._validation[start : start + self._batch_size]
            for hide, found in losses.items():
                random = np.random.default_rng([_VALIDATION_SEED, start])
                blank = torch.full((len(indices),), hide)
                loss = float(self._loss_of(network, indices, blank, random))
                found.append((loss, len(indices)))
        shown, hidden = (
            sum(loss * count for loss, count in losses[hide]) / len(self._validation)
            for hide in (False, True)
        )
        return {"loss": shown, "image_gain": hidden - shown, self.best_metric: -shown}

    def _loss_of(
        self,
        network: nn.Module,
        indices: NDArray[np.int64],
        blank: Tensor,
        random: np.random.Generator,
    ) -> Tensor:
        reports = [
            torch.tensor([START, *self._vocabulary.encode(text), END])
            for text in (self._composer.compose(self._claims[i], random) for i in indices)
        ]
        words = pad_sequence(reports, batch_first=True, padding_value=PADDING)
        hints = None if self._hints is None else torch.from_numpy(self._hints[indices])
        logits = network(self._look(indices), words[:, :-1], hints, blank)
        return word_loss(logits, words[:, 1:])


def balanced_chances(claims: Sequence[Sequence[Claim]], balance: float) -> NDArray[np.float64]:
    """How likely each radiograph is drawn.

    Fully balanced, every affirmed finding, and the absence of any, is asked for equally often,
    and any radiograph that has it may answer: rare findings come up as often as common ones, and
    normal radiographs are no majority.
    """
    kinds: list[set[Finding | None]] = [
        {claim.finding for claim in own if claim.present} or {None} for own in claims
    ]
    counts = Counter(kind for own in kinds for kind in own)
    even = np.array([sum(1 / counts[kind] for kind in own) for own in kinds], dtype=np.float64)
    chances: NDArray[np.float64] = np.power(even, balance)
    return chances / float(chances.sum())
