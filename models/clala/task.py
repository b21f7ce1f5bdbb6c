"""Training of CLALA-Net: region texts, regions with their sentences, lesions across films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.claims import Claim
from findings.regions import CLALA_REGIONS, Region
from models.clala.decoder import RegionWords
from models.clala.lesions import lesion_labels, region_labels
from models.clala.losses import info_nce, lesion_negatives, shared_lesion
from models.clala.network import ClalaNetwork, RegionViews
from models.clala.preset import ClalaSettings
from models.clala.texts import TextInputs
from models.crude_report.task import balanced_chances

Look = Callable[[NDArray[np.int64]], RegionViews]
"""Films by index -> what the network is shown of them."""

Describe = Callable[[int, Region, np.random.Generator], str | None]
"""A film by index and a region -> a true text, or None where none is known."""

_VALIDATION_SEED = 20261122
_NORMAL = -1


@dataclass(frozen=True, slots=True)
class Films:
    """What is learnt from: every film's claims, and which films train and validate."""

    claims: Sequence[Sequence[Claim]]
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Told:
    """The regions of a batch that have a text: their rows in the batch, and the texts."""

    rows: Tensor
    texts: list[str]


class LesionPartners:
    """Other films with the same lesion in the same region (lesion-level contrastive learning).

    Regions that are known to hold no lesion at all are partners of each other as well: the
    paper's pairs are of lesion status, positive or negative.
    """

    def __init__(self, films: Films, by_place: bool) -> None:
        """Without ``by_place`` a film's lesion may lie in any of its regions."""
        self._by_place = by_place
        self.labels = np.stack([region_labels(claims) for claims in films.claims])
        if not by_place:
            whole = np.stack([lesion_labels(claims) for claims in films.claims])
            self.labels = np.repeat(whole[:, None], len(CLALA_REGIONS), axis=1).astype(np.int8)
        self._films: dict[tuple[int, int], list[int]] = {}
        for film in films.training:
            for region, lesion in self.kinds(int(film)):
                self._films.setdefault((region, lesion), []).append(int(film))

    def kinds(self, film: int) -> list[tuple[int, int]]:
        """Region and lesion of everything a film can be an anchor for; -1 is no lesion."""
        labels = self.labels[film]
        regions, lesions = np.nonzero(labels == 1)
        kinds = list(zip(regions.tolist(), lesions.tolist(), strict=True))
        normal = np.flatnonzero((labels == 0).all(axis=1))
        return kinds + [(int(region), _NORMAL) for region in normal]

    def draw(
        self, films: NDArray[np.int64], most: int, random: np.random.Generator
    ) -> list[tuple[int, int, int, int]]:
        """Pairs: an anchor's place in ``films``, its region, its lesion, and the other film.

        Lesions are drawn before normal regions, of which there are far more.
        """
        pairs = []
        for place, film in enumerate(films):
            for region, lesion in self.kinds(int(film)):
                others = [o for o in self._films.get((region, lesion), ()) if o != film]
                if others:
                    pairs.append((place, region, lesion, others[int(random.integers(len(others)))]))
        order = random.permutation(len(pairs))
        drawn = sorted((pairs[i] for i in order), key=lambda pair: pair[2] == _NORMAL)
        lesions = sum(pair[2] != _NORMAL for pair in drawn)
        return drawn[: min(most, lesions + most // 4)]


class ClalaTask:
    """A task of :class:`models.training.loop.TrainingLoop`; either of the two stages.

    Films are never mirrored: their texts have sides.
    """

    best_metric = "agreement"

    def __init__(
        self,
        settings: ClalaSettings,
        batch_size: int,
        balance: float,
        films: Films,
        look: Look,
        texts: Describe,
        words: RegionWords,
        inputs: TextInputs,
        build: Callable[[], ClalaNetwork],
    ) -> None:
        """``build`` makes the network of this stage, with what of it may learn."""
        self._settings = settings
        self._batch_size = batch_size
        self._films = films
        self._look = look
        self._texts = texts
        self._words = words
        self._inputs = inputs
        self._build = build
        self._labels = np.stack([lesion_labels(claims) for claims in films.claims])
        self._partners = LesionPartners(films, settings.switches.llcl_places)
        self._chances = balanced_chances([films.claims[i] for i in films.training], balance)

    def network(self) -> nn.Module:
        """See `Task`."""
        return self._build()

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """The vision transformer's and the text encoder's, which come pre-trained."""
        return [
            parameter
            for name, parameter in network.named_parameters()
            if name.startswith(("eye.encoder.", "read.encoder."))
        ]

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Cross-entropy of region texts, with the contrastive losses that are switched on."""
        assert isinstance(network, ClalaNetwork)
        chosen = random.choice(self._films.training, size=self._batch_size, p=self._chances).astype(
            np.int64
        )
        switches = self._settings.switches
        views = self._look(chosen)
        refined = network.refine(network.look(views), self.labels(chosen))
        told = self._told(chosen, views, random)
        regions = refined.flatten(0, 1)[told.rows.to(refined.device)]
        total = self._words_loss(network, regions, told)
        if switches.itcl:
            total = total + self._sentence_loss(network, regions, told)
        if switches.llcl:
            total = total + self._lesion_loss(network, chosen, refined, random)
        return total

    def labels(self, films: NDArray[np.int64]) -> Tensor:
        """The films' own lesion labels, bool ``(films, 14)``."""
        return torch.from_numpy(self._labels[films])

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Loss of the validation films' texts, worded alike each time.

        ``image_gain`` is what the right film takes off the loss, compared with another film and
        its labels: nearly 0 means that the same is written of everybody.
        """
        assert isinstance(network, ClalaNetwork)
        order = self._films.validation
        others = np.roll(order, max(1, len(order) // 2))
        sums, counts = {True: 0.0, False: 0.0}, 0
        for start in range(0, len(order), self._batch_size):
            batch = slice(start, start + self._batch_size)
            random = np.random.default_rng([_VALIDATION_SEED, start])
            told = self._told(order[batch], self._look(order[batch]), random)
            if not told.texts:
                continue
            counts += len(told.texts)
            for own, films in ((True, order[batch]), (False, others[batch])):
                refined = network.refine(network.look(self._look(films)), self.labels(films))
                regions = refined.flatten(0, 1)[told.rows.to(refined.device)]
                sums[own] += float(self._words_loss(network, regions, told)) * len(told.texts)
        right, wrong = sums[True] / max(1, counts), sums[False] / max(1, counts)
        return {"loss": right, "image_gain": wrong - right, self.best_metric: -right}

    def _told(
        self, films: NDArray[np.int64], views: RegionViews, random: np.random.Generator
    ) -> _Told:
        rows, texts = [], []
        for place, film in enumerate(films):
            for number, region in enumerate(CLALA_REGIONS):
                text = self._texts(int(film), region, random)
                if text and bool(views.present[place, number]):
                    rows.append(place * len(CLALA_REGIONS) + number)
                    texts.append(text)
        return _Told(torch.tensor(rows, dtype=torch.long), texts)

    def _words_loss(self, network: ClalaNetwork, regions: Tensor, told: _Told) -> Tensor:
        if not told.texts:
            return regions.sum() * 0.0
        return network.decoder.loss(regions, [self._words.encode(text) for text in told.texts])

    def _sentence_loss(self, network: ClalaNetwork, regions: Tensor, told: _Told) -> Tensor:
        """Image-text contrastive learning: each region with its text, against the others'.

        A text that is word for word another region's is no negative of it.
        """
        numbers = {text: number for number, text in enumerate(dict.fromkeys(told.texts))}
        which = torch.tensor([numbers[text] for text in told.texts])
        unlike = which[:, None] != which[None, :]
        read = network.read(self._inputs(list(numbers)).to(regions.device))
        return info_nce(
            network.to_text(regions), read[which.to(regions.device)], network.temperature, unlike
        )

    def _lesion_loss(
        self,
        network: ClalaNetwork,
        films: NDArray[np.int64],
        refined: Tensor,
        random: np.random.Generator,
    ) -> Tensor:
        """Lesion-level contrastive learning: anchors after LCA, comparisons before it."""
        by_place = self._settings.switches.llcl_places
        pairs = self._partners.draw(films, self._settings.pairs, random)
        if not pairs:
            return refined.sum() * 0.0
        places, regions, lesions, others = (
            np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True)
        )
        unique, back = np.unique(others, return_inverse=True)
        raw = network.look(self._look(unique))
        region, lesion = torch.from_numpy(regions), torch.from_numpy(lesions)
        shown = torch.from_numpy(self._partners.labels[others, regions] == 1)
        negatives = lesion_negatives(lesion, region, by_place) & ~shared_lesion(
            shown, lesion, region, by_place
        )
        return info_nce(
            refined[torch.from_numpy(places), region],
            raw[torch.from_numpy(back), region],
            network.temperature,
            negatives,
        )
