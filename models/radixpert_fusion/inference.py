"""Writing with a trained model of Radixpert's first version."""

from __future__ import annotations

from pathlib import Path

from models.language.loading import language_model_sha256
from models.radixpert_fusion.building import build_network, load_encoder
from models.radixpert_fusion.config import FusionConfig
from models.reports.checkpoint import load_trained, require_same
from models.reports.contract import ReportWriter
from models.reports.writing import EncodedReportWriter
from models.shipping import read_config


def load_radixpert_fusion(folder: Path, cache: Path) -> ReportWriter:
    """The model in ``folder``; see `models.reports.registry.ReportModel.load`."""
    config = read_config(folder, FusionConfig)
    named = config.backbones
    found = language_model_sha256(named.language, cache, named.language_sha256)
    require_same(found, config.language_model_sha256, "language model")
    encoder = load_encoder(named, cache)
    require_same(encoder.sha256, config.vision_sha256, "image encoder")
    network = build_network(
        named,
        cache,
        config.patch_width,
        config.shape,
        config.switches,
        config.language,
        config.most_tokens,
    )
    load_trained(network, folder, config)
    return EncodedReportWriter(config, encoder, network)
