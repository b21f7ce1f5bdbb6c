"""Training of the clue retriever: one random sentence of each image's weak report per step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.errors import WeightsError
from models.clues.loss import contrastive_loss
from models.clues.network import ClueNetwork, build_network
from models.clues.preset import ClueSettings
from models.clues.prompts import DISEASES, clue_prompts
from models.clues.scoring import disease_scores
from models.data.records import Split
from models.data.weak_pair_sources import WeakRecord
from models.data.weak_pairs import WeakPairs
from models.metrics import area_under_curve

_BATCH = 64


class ClueInputs(Protocol):
    """What the two encoders are given."""

    def images(self, records: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Tensor:
        """Images of these records, some of them mirrored."""

    def texts(self, sentences: NDArray[np.int64]) -> Tensor:
        """Sentences of the pool; the clue prompts follow after the pool's last sentence."""


class FrozenInputs:
    """What frozen encoders gave once: trunk maps and sentence vectors."""

    def __init__(self, maps: NDArray[np.float16], vectors: NDArray[np.float32]) -> None:
        self._maps = maps
        self._vectors = torch.from_numpy(vectors)

    def images(self, records: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Tensor:
        """Trunk maps. A mirrored image's map is taken to be the mirrored map."""
        maps = torch.from_numpy(self._maps[records].astype(np.float32))
        turned = torch.from_numpy(mirrored)
        maps[turned] = maps[turned].flip(-1)
        return maps

    def texts(self, sentences: NDArray[np.int64]) -> Tensor:
        """Sentence vectors."""
        return self._vectors[torch.from_numpy(sentences)]


class WholeInputs:
    """Pixels and word pieces, for encoders that learn."""

    def __init__(self, images: NDArray[np.uint8], tokens: Tensor) -> None:
        self._images = images
        self._tokens = tokens

    def images(self, records: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Tensor:
        """Intensities in [0, 1], ``(batch, 1, size, size)``."""
        shown = torch.from_numpy(self._images[records]).float().div(255)[:, None]
        return torch.where(torch.from_numpy(mirrored)[:, None, None, None], shown.flip(-1), shown)

    def texts(self, sentences: NDArray[np.int64]) -> Tensor:
        """Token numbers and masks, cut to the longest sentence of the batch."""
        chosen = self._tokens[torch.from_numpy(sentences)]
        return chosen[:, :, : int(chosen[:, 1].sum(dim=1).max())]


class ClueTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    ``pairs`` holds every record twice, the second time mirrored with its sides exchanged. A batch
    is of one source, so that the look of a source does not tell its images from others'.
    """

    best_metric = "mean_auc"

    def __init__(
        self,
        settings: ClueSettings,
        batch_size: int,
        pairs: WeakPairs,
        inputs: ClueInputs,
        as_prompt: NDArray[np.int64],
        pretrained: dict[str, Tensor] | None = None,
    ) -> None:
        """``as_prompt`` gives each sentence's form as a clue prompt (counted on from the pool's
        last sentence), -1 where it has none; ``pretrained`` are weights of the encoders."""
        self._settings = settings
        self._batch_size = batch_size
        self._pairs = pairs
        self._inputs = inputs
        self._as_prompt = as_prompt
        self._pretrained = pretrained
        self._single = len(pairs) // 2
        records = pairs.records[: self._single]
        self._groups = _by_source(records)
        self._chances = np.array([len(group) for group in self._groups], dtype=np.float64)
        self._chances /= self._chances.sum()
        self.validation = np.array(
            [n for n, r in enumerate(records) if r.split is Split.VAL and r.source == "nih"]
        )
        self.truth = finding_truth([records[n] for n in self.validation])

    def network(self) -> nn.Module:
        """Build the network, its encoders pre-trained where their weights were given."""
        settings = self._settings
        network = build_network(settings.image, settings.text, settings.width, settings.temperature)
        if self._pretrained is not None:
            lacking = network.load_state_dict(self._pretrained, strict=False).missing_keys
            given = {_encoder(name) for name in self._pretrained}
            if any(_encoder(name) in given for name in lacking):
                raise WeightsError(
                    "The pre-trained weights are not those of the encoder that the preset names, "
                    "so part of it would be left untrained: give the weights of that very network."
                )
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters of encoders that were pre-trained."""
        return [
            parameter
            for name, parameter in network.named_parameters()
            if name.startswith(("image.backbone.", "text.encoder."))
        ]

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Contrastive loss of a random batch."""
        assert isinstance(network, ClueNetwork)
        records, mirrored, sentences = self.draw(random)
        own = records + mirrored * self._single
        negatives = torch.from_numpy(self._pairs.negatives(own, sentences))
        said = self._as_prompt[sentences]
        prompted = (said >= 0) & (random.random(len(said)) < self._settings.prompt_share)
        texts = np.where(prompted, len(self._pairs.pool) + said, sentences)
        return contrastive_loss(
            network.embed_images(self._inputs.images(records, mirrored)),
            network.embed_texts(self._inputs.texts(texts)),
            network.scale,
            negatives,
        )

    def draw(
        self, random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Records of one source, which of them are mirrored, and a true sentence for each."""
        group = self._groups[int(random.choice(len(self._groups), p=self._chances))]
        records = random.choice(group, min(self._batch_size, len(group)), replace=False)
        mirrored = random.random(len(records)) < self._settings.mirrored_share
        own = records + mirrored * self._single
        sentences = np.array([self._pairs.draw(int(number), random) for number in own])
        known = sentences >= 0
        return records[known], mirrored[known], sentences[known]

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Zero-shot area under the curve per disease, on NIH's validation images."""
        assert isinstance(network, ClueNetwork)
        prompts = np.arange(len(clue_prompts())) + len(self._pairs.pool)
        texts = network.embed_texts(self._inputs.texts(prompts))
        images = embed_records(network, self._inputs, self.validation)
        similarity = (images @ texts.T).double().numpy()
        scores = disease_scores(similarity, float(network.scale))
        figures = {
            str(finding): area_under_curve(scores[:, column], self.truth[:, column])
            for column, finding in enumerate(DISEASES)
        }
        return {**figures, self.best_metric: float(np.nanmean(list(figures.values())))}


def embed_records(network: ClueNetwork, inputs: ClueInputs, records: NDArray[np.int64]) -> Tensor:
    """Image vectors ``(records, width)``, none mirrored."""
    parts = []
    for start in range(0, len(records), _BATCH):
        part = records[start : start + _BATCH]
        seen = inputs.images(part, np.zeros(len(part), dtype=bool))
        with torch.inference_mode():
            parts.append(network.embed_images(seen))
    return torch.cat(parts)


def finding_truth(records: Sequence[WeakRecord]) -> NDArray[np.bool_]:
    """Which of the fourteen diseases each record affirms: bool ``(records, diseases)``."""
    named = [{claim.finding for claim in record.present} for record in records]
    return np.array([[finding in own for finding in DISEASES] for own in named], dtype=bool)


def _by_source(records: Sequence[WeakRecord]) -> list[NDArray[np.int64]]:
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        if record.split is Split.TRAIN:
            groups.setdefault(record.source, []).append(number)
    return [np.array(group) for group in groups.values()]


def _encoder(name: str) -> str:
    """The encoder that a parameter belongs to, e.g. ``image.backbone``."""
    return ".".join(name.split(".")[:2])
