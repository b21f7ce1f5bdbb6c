"""Write reports with a trained CLALA-Net: find regions, describe each, aggregate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import WeightsError
from findings.evidence import Box
from findings.regions import CLALA_REGIONS, Region
from models.clala.aggregation import RegionSentence, aggregate
from models.clala.config import ClalaConfig
from models.clala.decoder import RegionWords, WholeWords, WordPieces
from models.clala.lesions import LESIONS
from models.clala.network import ClalaNetwork, RegionViews
from models.clala.views import RegionFinder, box_shares, cut_out, region_finder
from models.classifier.inference import FindingClassifier
from models.clues.encoder_folder import find_text_encoder, require_encoder
from models.clues.text_encoder import load_tokenizer
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import Decoding, WrittenReport
from models.reports.writing import TrainedWriter
from models.shipping import read_config

_BATCH = 8


class LesionLabels(Protocol):
    """Says which of the fourteen lesions a film shows (the paper's CXR classifier)."""

    def label(self, display: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Bool ``(14,)`` in the order of `models.clala.lesions.LESIONS`."""


HINT_PROBABILITY: Final = 0.2
"""A calibrated probability from which on a lesion is hinted as present. The threshold that gives
the best F1 is half that F1 (Lipton et al., ECML PKDD 2014), and the paper's classifier reaches
0.43."""


class ClassifierLabels:
    """The finding classifier's lesions, at the threshold that favours their F1."""

    def __init__(self, classifier: FindingClassifier, threshold: float = HINT_PROBABILITY) -> None:
        self._classifier = classifier
        self._threshold = threshold

    def label(self, display: NDArray[np.float32]) -> NDArray[np.bool_]:
        """See `LesionLabels`."""
        found = self._classifier.classify(display)
        chances = np.array([found.probability[lesion] for lesion in LESIONS])
        likely: NDArray[np.bool_] = chances >= self._threshold
        return likely


@dataclass(frozen=True, slots=True)
class Described:
    """A film's region sentences before aggregation, and the labels that hinted at them."""

    sentences: tuple[RegionSentence, ...]
    labels: NDArray[np.bool_]


class ClalaWriter(TrainedWriter[ClalaConfig]):
    """Describes the regions of a film and merges what it says of them."""

    def __init__(
        self,
        config: ClalaConfig,
        network: ClalaNetwork,
        words: RegionWords,
        classifier: FindingClassifier,
        finder: RegionFinder,
        labels: LesionLabels | None = None,
    ) -> None:
        """``classifier`` gives the trunk and, unless ``labels`` does, the lesions."""
        super().__init__(config)
        self._network = network.eval().requires_grad_(False)
        self._words = words
        self._classifier = classifier
        self._finder = finder
        self._labels = labels or ClassifierLabels(classifier)

    def _reports(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> tuple[WrittenReport, ...]:
        reports = [aggregate(own.sentences) for own in self.describe(displays, seed, decoding)]
        return tuple(WrittenReport(report, " ".join(report)) for report in reports)

    def describe(
        self,
        displays: Sequence[NDArray[np.float32]],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[Described, ...]:
        """The sentences of every region of each film.

        Raises:
            StudyError: an array is not an image.
        """
        labels = [self._labels.label(display) for display in displays]
        views = [self.view(display) for display in displays]
        return self.describe_views(views, labels, seed, decoding)

    def describe_views(
        self,
        views: Sequence[RegionViews],
        labels: Sequence[NDArray[np.bool_]],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[Described, ...]:
        """As `describe`, of films (one in each view) whose regions and labels are given."""
        described: list[Described] = []
        for start in range(0, len(views), _BATCH):
            batch, hints = views[start : start + _BATCH], labels[start : start + _BATCH]
            whole = _joined(batch)
            with torch.inference_mode():
                refined = self._network.refine(
                    self._network.look(whole), torch.from_numpy(np.stack(list(hints)))
                ).flatten(0, 1)
                written = self._network.decoder.write(
                    refined, decoding or self.config.decoding, seed
                )
            for film, hint in enumerate(hints):
                first = film * len(CLALA_REGIONS)
                sentences = tuple(
                    RegionSentence(region, self._words.decode(written[first + number]))
                    for number, region in enumerate(CLALA_REGIONS)
                    if bool(whole.present[film, number])
                )
                described.append(Described(sentences, np.asarray(hint)))
        return tuple(described)

    def label(self, display: NDArray[np.float32]) -> NDArray[np.bool_]:
        """The lesions that hint at the words, bool ``(14,)``."""
        return self._labels.label(display)

    def find(self, display: NDArray[np.float32]) -> dict[Region, Box]:
        """The regions' boxes in pixels of the display."""
        return self._finder.find(display)

    def view(
        self, display: NDArray[np.float32], boxes: Mapping[Region, Box] | None = None
    ) -> RegionViews:
        """What the network is shown of a film; its regions are found unless they are given.

        Raises:
            StudyError: the array is not an image.
        """
        found = self._finder.find(display) if boxes is None else boxes
        shares, present = box_shares(found, *display.shape)
        there = torch.from_numpy(present)[None]
        if self.config.shape.eye.kind == "patches":
            return RegionViews(there, patches=cut_out(display, shares, self.config.size)[None])
        return RegionViews(
            there,
            boxes=torch.from_numpy(shares)[None],
            maps=torch.from_numpy(self._classifier.features(display))[None],
        )


def load_clala(folder: Path, cache: Path, finder: RegionFinder | None = None) -> ClalaWriter:
    """Load what `train_clala` left in ``OUT/weights``; ``finder`` takes the place of what found
    the regions in training.

    Raises:
        WeightsError: weights or config are missing, damaged or of another network, or the
            classifier's trunk or the text encoder is not the one they were trained over.
    """
    config = read_config(folder, ClalaConfig)
    classifier = FindingClassifier.load()
    if config.shape.eye.kind == "trunk":
        found = classifier.config.weights_sha256
        require_same(found, config.vision_sha256, "finding classifier")
    words: RegionWords
    if config.vocabulary is not None:
        words = WholeWords(config.vocabulary)
        texts = torch.zeros(len(LESIONS), config.shape.text.hidden)
    else:
        text = config.shape.text
        encoder = find_text_encoder(text.model, cache, text.sha256)
        require_encoder(encoder, config.text_sha256)
        words = WordPieces(load_tokenizer(encoder))
        if not config.lesion_tokens:
            raise WeightsError("the report model's config states no lesion tokens: train it again")
        texts = torch.zeros(len(LESIONS), 2, config.lesion_tokens, dtype=torch.long)
    network = ClalaNetwork(config.shape, config.switches, words.size, words.special, texts)
    load_trained(network, folder, config)
    detector = Path(config.region_detector) if config.region_detector else None
    return ClalaWriter(config, network, words, classifier, finder or region_finder(detector))


def _joined(views: Sequence[RegionViews]) -> RegionViews:
    def join(parts: Sequence[Any]) -> Tensor | None:
        return None if parts[0] is None else torch.cat(list(parts))

    present = join([view.present for view in views])
    assert present is not None
    return RegionViews(
        present,
        join([view.boxes for view in views]),
        join([view.maps for view in views]),
        join([view.patches for view in views]),
    )
