"""One training run of Radixpert's second version, from data to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.preprocessing import read_display
from models.radixpert_anatomy.config import AnatomyConfig
from models.radixpert_anatomy.maps import AnatomyMaps, KnownMaps, known_maps, read_segmenter
from models.radixpert_anatomy.network import AnatomyNetwork, Seen
from models.radixpert_anatomy.preset import ROWS, AnatomyPreset
from models.radixpert_anatomy.prompting import prompt_with
from models.radixpert_anatomy.task import AnatomyTask, PreferenceTask
from models.radixpert_anatomy.visual import AdaptedEncoder
from models.reports.neighbours import NearestReports
from models.reports.preference import preference_pairs
from models.reports.running import ReportRun, row_of
from models.training.presets import read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role

SUPERVISED = "supervised"
_NEIGHBOUR_SEED = 7


def train_radixpert_anatomy(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(AnatomyPreset, Role.REPORT, request.preset)
    preset = preset.model_copy(update={"switches": row_of(ROWS, request, preset.switches)})
    switches = preset.switches
    run = ReportRun.begin(preset, request)
    look = _Look(run)

    def build() -> AnatomyNetwork:
        language, tokenizer = run.language_model()
        encoder = None
        if switches.visual_lora:
            encoder = AdaptedEncoder(run.encoder, preset.shape.visual_lora)
        return AnatomyNetwork(
            language,
            tokenizer,
            run.encoder.width,
            preset.shape,
            switches,
            preset.decoding.most_tokens,
            encoder,
        )

    batch, balance = preset.loop.batch_size, preset.cases.balance
    supervised = AnatomyTask(run.cases, look, batch, balance, build)
    if not switches.preference:
        outcome = run.train(supervised)
    else:
        stage = preset.preference
        start = run.train(supervised, folder=SUPERVISED).best_weights
        pairs = preference_pairs(run.cases, stage.pairs, balance, preset.loop.seed)
        outcome = run.train(
            PreferenceTask(run.cases, look, batch, balance, build, start, pairs, stage.beta),
            preset.preference_loop(),
        )
    folder = run.finish(
        outcome,
        AnatomyConfig,
        shape=preset.shape,
        switches=switches,
        patch_width=run.encoder.width,
        most_tokens=preset.decoding.most_tokens,
        segmenter_sha256=look.segmenter_sha256,
    )
    if look.neighbours is not None:
        look.neighbours.save(folder)
    return folder


class _Look:
    """Shows a run's cases: vectors or pixels, anatomy, and the prompt with what is similar."""

    def __init__(self, run: ReportRun[AnatomyPreset]) -> None:
        preset = run.preset
        self._run = run
        self._maps: KnownMaps | None = None
        self.segmenter_sha256 = ""
        if preset.switches.anatomy:
            rows, columns = run.encoder.rows, run.encoder.columns
            anatomy = AnatomyMaps(read_segmenter(), rows, columns, preset.switches.finer)
            self.segmenter_sha256 = anatomy.sha256
            used = np.union1d(run.cases.training, run.cases.validation)
            folder = run.request.out / CACHE
            self._maps = known_maps(anatomy, run.cases.paths(), used, folder)
        self._pixels = None
        if preset.switches.visual_lora:
            self._pixels = AdaptedEncoder(run.encoder, preset.shape.visual_lora)
        self.neighbours: NearestReports | None = None
        if preset.switches.retrieved:
            self.neighbours = _index(run)

    def __call__(self, indices: NDArray[np.int64]) -> Seen:
        cases = self._run.cases
        if self._pixels is None:
            image = self._run.vectors(indices)
        else:
            image = self._pixels.pixels([read_display(cases.cases[i].image) for i in indices])
        maps = None if self._maps is None else self._maps(indices)
        return Seen(image, maps, tuple(self._prompt(int(index)) for index in indices))

    def _prompt(self, index: int) -> str:
        preset = self._run.preset
        found: list[str] = []
        if self.neighbours is not None:
            vector = self._run.vectors(np.array([index]))[0].mean(dim=0).numpy()
            patient = self._run.cases.cases[index].patient
            found = self.neighbours.nearest(vector, preset.switches.retrieved, patient)
        return prompt_with(found, preset.cases.language, preset.shape.retrieved_words)


def _index(run: ReportRun[AnatomyPreset]) -> NearestReports:
    """The training reports, worded once, by their images' mean vectors."""
    random = np.random.default_rng(_NEIGHBOUR_SEED)
    order = run.cases.training
    means: list[Tensor] = [
        run.vectors(order[place : place + 64]).mean(dim=1) for place in range(0, len(order), 64)
    ]
    return NearestReports(
        torch.cat(means).numpy(),
        [run.cases.report(int(index), random) for index in order],
        [run.cases.cases[int(index)].patient for index in order],
    )
