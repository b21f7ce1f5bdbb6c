"""Retrieve clues for one radiograph from what the shared trunk saw of it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import StudyError, WeightsError
from findings.regions import Region
from findings.vocabulary import Finding, Side
from models.classifier.inference import FindingClassifier
from models.clues.config import ClueConfig
from models.clues.network import ClueNetwork, build_network
from models.clues.prompts import clue_prompts
from models.clues.scoring import clue_weights, disease_scores, nearest_prompt, side_shares
from models.data.trunk_features import Trunk
from models.shipping import SHIPPED, load_weights, read_config

TOP_CLUES: Final = 3
"""Clues that TRRG injects (section 3, implementation details)."""
SURE_OF_SIDE: Final = 0.6
"""Share of a disease's nearness that one side must hold for the clue to name it."""


@dataclass(frozen=True, slots=True)
class RetrievedClue:
    """A clue: its prompt, the paper's weight, and the disease's calibrated probability."""

    finding: Finding
    probability: float
    weight: float
    side: Side | None
    region: Region | None
    text: str


@dataclass(frozen=True, slots=True)
class ClueOutput:
    """What is near one radiograph.

    ``vector`` is its place in the common space (unit length), by which neighbouring radiographs
    and reports are found; ``probability`` is calibrated on the NIH validation images; ``clues``
    are the diseases of greatest weight that reach their floor, heaviest first.
    """

    vector: NDArray[np.float32]
    probability: dict[Finding, float]
    clues: tuple[RetrievedClue, ...]
    seconds: float = field(compare=False)


class DeployedClues(ClueNetwork):
    """The trained network with the vectors of the prompts, ``(prompts, width)``."""

    prompts: Tensor

    def __init__(self, config: ClueConfig) -> None:
        made = build_network(config.image, config.text, config.width, temperature=1.0)
        super().__init__(made.image, made.text, temperature=1.0)
        self.register_buffer("prompts", torch.zeros(len(clue_prompts()), config.width))


class ClueRetriever:
    """Finds the disease clues nearest to a radiograph; needs no text encoder.

    One instance may be used from several threads at once.
    """

    def __init__(self, config: ClueConfig, network: DeployedClues) -> None:
        self.config = config
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, trunk_sha256: str, folder: Path | None = None) -> ClueRetriever:
        """Load the shipped weights, or those in ``folder``.

        ``trunk_sha256`` is the checksum of the finding classifier that will look.

        Raises:
            WeightsError: weights or config are missing, damaged, of another network, or were
                trained on what another finding classifier sees.
        """
        folder = folder or SHIPPED / "clue_retriever"
        config = read_config(folder, ClueConfig)
        if config.trunk_sha256 != trunk_sha256 or config.prompts_sha256 != prompts_digest():
            raise WeightsError(
                "the clue retriever was trained with another finding classifier or other prompts "
                "than those installed: train it again, or restore all of them from the repository"
            )
        network = DeployedClues(config)
        load_weights(network, folder, config.weights_sha256)
        return cls(config, network)

    def retrieve(self, features: NDArray[np.float32], most: int = TOP_CLUES) -> ClueOutput:
        """Clues for the trunk's map ``(channels, rows, columns)`` of one radiograph.

        The map is that of :meth:`models.classifier.inference.FindingClassifier.features`.

        Raises:
            StudyError: the map is not one of that trunk.
        """
        started = time.perf_counter()
        vector = self.vectors(features[None])[0]
        scale = float(self._network.scale)
        similarity = (self._network.prompts.double().numpy() @ vector.astype(np.float64))[None]
        scores = disease_scores(similarity, scale)[0]
        weights = clue_weights(similarity, scale)[0]
        findings = self.config.findings
        probability = {
            finding: float(fitted.scale.apply(scores[row : row + 1])[0])
            for row, (finding, fitted) in enumerate(findings.items())
        }
        clues = []
        for row in np.argsort(-weights, kind="stable")[:most]:
            finding = tuple(findings)[row]
            if probability[finding] < findings[finding].floor:
                continue
            side = _side(side_shares(similarity[0], scale, finding))
            # No source grades the diseases, so the clue leaves severity out.
            prompt = nearest_prompt(similarity[0], finding, side, graded=False)
            clues.append(
                RetrievedClue(
                    finding=finding,
                    probability=probability[finding],
                    weight=float(weights[row]),
                    side=prompt.side,
                    region=prompt.region,
                    text=prompt.text,
                )
            )
        return ClueOutput(vector, probability, tuple(clues), time.perf_counter() - started)

    @property
    def scale(self) -> float:
        """One over the temperature of the clue weights."""
        return float(self._network.scale)

    def prompt_cosines(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines ``(images, prompts)`` of `vectors` with every clue prompt, in their order."""
        found: NDArray[np.float32] = vectors @ self._network.prompts.numpy().T
        return found

    def vectors(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places of radiographs in the common space: unit vectors ``(images, width)``.

        ``features`` is ``(images, channels, rows, columns)``. Two radiographs, or a radiograph
        and a sentence (`sentence_vectors`), are the nearer the larger their product.

        Raises:
            StudyError: the maps are not those of the trunk.
        """
        if features.ndim != 4 or features.shape[1] != self.config.image.channels:
            raise StudyError(
                f"features of shape {features.shape} are not maps of the shared trunk, which "
                f"have {self.config.image.channels} channels: give FindingClassifier.features"
            )
        with torch.inference_mode():
            seen = torch.from_numpy(np.array(features, dtype=np.float32))
            found: NDArray[np.float32] = self._network.embed_images(seen).numpy()
        return found

    def sentence_vectors(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places of sentences in the common space, ``(sentences, width)``.

        ``encoded`` is ``(sentences, 384)``, unit vectors of all-MiniLM-L6-v2
        (`models.clues.text_encoder.SentenceEncoder.encode`).

        Raises:
            StudyError: the vectors are of another width.
        """
        if encoded.ndim != 2 or encoded.shape[1] != self.config.text.hidden:
            raise StudyError(
                f"sentence vectors of shape {encoded.shape} cannot be placed: give vectors of "
                f"{self.config.text.hidden} numbers, as {self.config.text.model} makes them"
            )
        with torch.inference_mode():
            read = torch.from_numpy(np.array(encoded, dtype=np.float32))
            found: NDArray[np.float32] = self._network.embed_texts(read).numpy()
        return found


class ImageClues:
    """A clue retriever with the trunk that looks for it."""

    def __init__(self, trunk: Trunk, retriever: ClueRetriever) -> None:
        self._trunk = trunk
        self.retriever = retriever

    @classmethod
    def load(cls, folder: Path | None = None) -> ImageClues:
        """The shipped classifier's trunk with the retriever that ships, or that in ``folder``.

        Raises:
            WeightsError: weights or configs are missing, damaged, or do not belong together.
        """
        classifier = FindingClassifier.load()
        retriever = ClueRetriever.load(classifier.config.weights_sha256, folder)
        return cls(classifier.features, retriever)

    def look(self, display: NDArray[np.float32]) -> ClueOutput:
        """Clues for display pixels, as :meth:`FindingClassifier.features` takes them.

        Raises:
            StudyError: the array is not such an image.
        """
        return self.retriever.retrieve(self._trunk(display))


def nearest(
    query: NDArray[np.float32], vectors: NDArray[np.float32], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of the ``most`` nearest unit vectors and their cosines, nearest first (exact)."""
    cosines = vectors @ query
    order = np.argsort(-cosines, kind="stable")[:most]
    return order, cosines[order]


def prompts_digest() -> str:
    """SHA-256 over the prompts' texts, in their order."""
    return hashlib.sha256("\n".join(p.text for p in clue_prompts()).encode()).hexdigest()


def _side(shares: dict[Side, float]) -> Side | None:
    return next((side for side, share in shares.items() if share >= SURE_OF_SIDE), None)
