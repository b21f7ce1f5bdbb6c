"""Writing with a trained model of Radixpert's second version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.language.loading import language_model_sha256, load_language_model
from models.radixpert_anatomy.config import AnatomyConfig
from models.radixpert_anatomy.maps import AnatomyMaps, read_segmenter
from models.radixpert_anatomy.network import AnatomyNetwork, Seen
from models.radixpert_anatomy.prompting import prompt_with
from models.radixpert_anatomy.visual import AdaptedEncoder
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import Decoding, ReportWriter
from models.reports.neighbours import NearestReports
from models.reports.vision import ImageEncoder, load_image_encoder
from models.reports.writing import NetworkWriter
from models.shipping import read_config


class AnatomyReportWriter(NetworkWriter[AnatomyConfig]):
    """Writes from image, anatomy and, by a switch, the nearest reports."""

    def __init__(
        self,
        config: AnatomyConfig,
        encoder: ImageEncoder,
        network: AnatomyNetwork,
        anatomy: AnatomyMaps | None,
        neighbours: NearestReports | None,
    ) -> None:
        super().__init__(config)
        self._encoder = encoder
        self._network = network
        self._anatomy = anatomy
        self._neighbours = neighbours

    def _texts(
        self, displays: Sequence[NDArray[np.float32]], decoding: Decoding, seed: int
    ) -> list[str]:
        return self._network.write(self._seen(displays), decoding, seed)

    def _seen(self, displays: Sequence[NDArray[np.float32]]) -> Seen:
        adapted = self._network.encoder
        vectors = None
        if adapted is None or self._neighbours is not None:
            vectors = self._encoder.encode(displays)
        image = vectors if adapted is None else adapted.pixels(displays)
        assert image is not None
        maps = None
        if self._anatomy is not None:
            maps = torch.from_numpy(np.stack([self._anatomy.of(display) for display in displays]))
        shape, switches = self.config.shape, self.config.switches
        prompts = []
        for row in range(len(displays)):
            found: list[str] = []
            if self._neighbours is not None and vectors is not None:
                mean = vectors[row].mean(dim=0).numpy()
                found = self._neighbours.nearest(mean, switches.retrieved)
            prompts.append(prompt_with(found, self.config.language, shape.retrieved_words))
        return Seen(image, maps, tuple(prompts))


def load_radixpert_anatomy(folder: Path, cache: Path) -> ReportWriter:
    """The model in ``folder``; see `models.reports.registry.ReportModel.load`."""
    config = read_config(folder, AnatomyConfig)
    named, switches = config.backbones, config.switches
    found = language_model_sha256(named.language, cache, named.language_sha256)
    require_same(found, config.language_model_sha256, "language model")
    encoder = load_image_encoder(named.vision, cache, named.vision_sha256)
    require_same(encoder.sha256, config.vision_sha256, "image encoder")
    anatomy = None
    if switches.anatomy:
        anatomy = AnatomyMaps(read_segmenter(), encoder.rows, encoder.columns, switches.finer)
        require_same(anatomy.sha256, config.segmenter_sha256, "anatomy segmenter")
    language, tokenizer = load_language_model(
        named.language, cache, dtype=named.language_dtype, sha256=named.language_sha256
    )
    network = AnatomyNetwork(
        language,
        tokenizer,
        config.patch_width,
        config.shape,
        switches,
        config.most_tokens,
        AdaptedEncoder(encoder, config.shape.visual_lora) if switches.visual_lora else None,
    )
    load_trained(network, folder, config)
    neighbours = NearestReports.load(folder) if switches.retrieved else None
    return AnatomyReportWriter(config, encoder, network, anatomy, neighbours)
