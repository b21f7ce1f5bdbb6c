"""Write reports with a trained TRRG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.classifier.inference import FindingClassifier
from models.clues.inference import ClueRetriever
from models.language.loading import language_model_sha256, load_language_model
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import Decoding
from models.reports.prefix import PrefixedLanguageModel
from models.reports.prompts import REPORT_PROMPT
from models.reports.vision import ImageEncoder, TrunkEncoder, load_image_encoder
from models.reports.writing import NetworkWriter
from models.shipping import read_config
from models.trrg.config import TrrgConfig
from models.trrg.looking import ClueChooser, as_maps, trunk_maps
from models.trrg.network import TrrgNetwork


class TrrgWriter(NetworkWriter[TrrgConfig]):
    """Writes from the image and the clues nearest to it."""

    def __init__(
        self,
        config: TrrgConfig,
        network: TrrgNetwork,
        encoder: ImageEncoder,
        chooser: ClueChooser,
        classifier: FindingClassifier,
    ) -> None:
        super().__init__(config)
        self._network = network.eval()
        self._encoder = encoder
        self._chooser = chooser
        self._classifier = classifier

    def _texts(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> list[str]:
        tokens = self._encoder.encode(displays)
        shared = isinstance(self._encoder, TrunkEncoder)
        maps = (
            as_maps(tokens, self._encoder.rows, self._encoder.columns)
            if shared
            else trunk_maps(displays, self._classifier)
        )
        clues = self._chooser.choose(maps)
        with torch.inference_mode():
            prefix, _ = self._network.prefix(tokens, torch.from_numpy(clues.rows))
        return self._network.language.write(
            prefix, decoding, seed, REPORT_PROMPT[self.config.language]
        )


def load_trrg(folder: Path, cache: Path) -> TrrgWriter:
    """Load what `train_trrg` left in ``OUT/weights``.

    Raises:
        WeightsError: weights or config are missing, damaged or of another network, or the language
            model, the image encoder or the clue retriever is not the one they were trained with.
    """
    config = read_config(folder, TrrgConfig)
    backbones = config.backbones
    require_same(
        language_model_sha256(backbones.language, cache, backbones.language_sha256),
        config.language_model_sha256,
        "language model",
    )
    encoder = load_image_encoder(backbones.vision, cache, backbones.vision_sha256)
    require_same(encoder.sha256, config.vision_sha256, "image encoder")
    classifier = FindingClassifier.load()
    first = Path(config.retriever) if config.retriever else None
    retriever = ClueRetriever.load(classifier.config.weights_sha256, first)
    require_same(retriever.config.weights_sha256, config.retriever_sha256, "clue retriever")
    model, tokenizer = load_language_model(
        backbones.language,
        cache,
        dtype=backbones.language_dtype,
        sha256=backbones.language_sha256,
    )
    language = PrefixedLanguageModel(model, tokenizer, config.shape.most_tokens)
    vectors = torch.zeros(config.prompts, config.words, config.shape.clue_width)
    present = torch.ones(config.prompts, config.words, dtype=torch.bool)
    network = TrrgNetwork(config.shape, config.switches, language, vectors, present)
    load_trained(network, folder, config)
    devices = np.array(config.devices, dtype=np.float32)
    chooser = ClueChooser(retriever, devices, config.shape, config.switches)
    return TrrgWriter(config, network, encoder, chooser, classifier)
