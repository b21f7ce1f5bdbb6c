"""One training run of Radixpert's first version: the broad set first, then the chest's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch import Tensor

from models.radixpert_fusion.building import build_network, load_encoder
from models.radixpert_fusion.config import FusionConfig
from models.radixpert_fusion.network import BROAD, CHEST, FusionNetwork
from models.radixpert_fusion.preset import ROWS, FusionPreset
from models.radixpert_fusion.roco import roco_cases
from models.radixpert_fusion.task import FusionTask
from models.reports.cases import CaseSet, read_cases
from models.reports.running import ReportRun, row_of
from models.reports.vision import encoded_images
from models.training.presets import read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role


def train_radixpert_fusion(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(FusionPreset, Role.REPORT, request.preset)
    preset = preset.model_copy(update={"switches": row_of(ROWS, request, preset.switches)})
    run = ReportRun.begin(preset, request, load_encoder)

    @cache
    def build() -> FusionNetwork:
        # Made once: the second stage goes on with the first one's network.
        return build_network(
            preset.backbones,
            request.cache,
            run.encoder.width,
            preset.shape,
            preset.switches,
            preset.cases.language,
            preset.decoding.most_tokens,
        )

    def task(cases: CaseSet, stage: str, start: dict[str, Tensor] | None) -> FusionTask:
        vectors = run.vectors
        if cases is not run.cases:
            vectors = encoded_images(run.encoder, cases.paths(), request.out / CACHE)
        loop = preset.loop
        return FusionTask(
            cases, vectors, loop.batch_size, preset.cases.balance, build, stage, start
        )

    broad, start = preset.broad_loop(), None
    if broad is not None:
        first = task(_broad_cases(preset, request), BROAD, None)
        start = run.train(first, broad, folder=BROAD).best_weights
    outcome = run.train(task(run.cases, CHEST, start))
    return run.finish(
        outcome,
        FusionConfig,
        shape=preset.shape,
        switches=preset.switches,
        patch_width=run.encoder.width,
        most_tokens=preset.decoding.most_tokens,
    )


def _broad_cases(preset: FusionPreset, request: TrainingRequest) -> CaseSet:
    """ROCO's captions where the preset names their folder, else weak cases of several sources."""
    broad = preset.broad
    assert broad is not None
    if broad.roco:
        return roco_cases(request.data / broad.roco, preset.cases.most_validation)
    settings = preset.cases.model_copy(update={"kind": "weak", "folders": broad.folders})
    return read_cases(request, settings)
