"""One training run of CliniQure's writer."""

from __future__ import annotations

from pathlib import Path

import torch

from findings.errors import UserInputError
from models.cliniqure.config import CliniqureConfig
from models.cliniqure.diseases import read_diseases
from models.cliniqure.network import CliniqureWriter
from models.cliniqure.observing import FilmObserver, observe_films
from models.cliniqure.preset import ROWS, CliniqurePreset
from models.cliniqure.prompting import VERSION as PROMPT_VERSION
from models.cliniqure.prompting import Observation
from models.cliniqure.task import PromptedReportTask, SymptomTask
from models.data.files import cache_key
from models.language.loading import language_model_sha256, load_language_model
from models.reports.cases import CaseSet, read_cases
from models.reports.checkpoint import save_report_model
from models.reports.guards import refuse_mirroring
from models.reports.running import LICENCE, VERSION, WEIGHTS, row_of
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role


def train_cliniqure(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`.

    A preset whose ``lora`` is switched off trains nothing: the paper's base model.
    """
    preset = read_preset(CliniqurePreset, Role.REPORT, request.preset)
    refuse_mirroring(preset.augmentation)
    torch.set_num_threads(preset.loop.threads)
    settings, own = preset.cliniqure, preset.backbones
    switches = row_of(ROWS, request, preset.switches)

    def make() -> CliniqureWriter:
        model, tokenizer = load_language_model(
            own.language, request.cache, dtype=own.language_dtype, sha256=own.language_sha256
        )
        lora = settings.lora if switches.lora else None
        return CliniqureWriter(model, tokenizer, lora, settings.answer_tokens)

    task: SymptomTask | PromptedReportTask
    if settings.lessons == "symptoms":
        entries = read_diseases(request.data)
        if not any(case.validation for case in entries) or all(c.validation for c in entries):
            raise UserInputError(
                "The disease set is too small to train and to validate on; give all of it."
            )
        data = cache_key(*sorted(f"{case.disease}/{case.symptoms}" for case in entries))
        task = SymptomTask(make, entries, preset.loop.batch_size)
    else:
        cases = read_cases(request, preset.cases)
        data = cases.sha256()
        task = PromptedReportTask(
            make,
            cases,
            settings,
            switches.inputs,
            preset.loop.batch_size,
            preset.cases.balance,
            _observed(cases, preset, request),
        )
    validation: dict[str, float] = {}
    weights: dict[str, torch.Tensor] = {}
    if switches.lora:
        loop = TrainingLoop(task, preset.loop, request.out)
        if request.resume:
            loop.resume()
        outcome = loop.run()
        weights, validation = outcome.best_weights, outcome.best().metrics
    folder = request.out / WEIGHTS
    config = CliniqureConfig(
        name="cliniqure",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=data,
        model=preset.model,
        language=preset.cases.language,
        backbones=own,
        language_model_sha256=language_model_sha256(
            own.language, request.cache, own.language_sha256
        ),
        vision_sha256="",
        decoding=preset.decoding,
        validation=validation,
        lora=settings.lora,
        switches=switches,
        lessons=settings.lessons,
        prompt_version=PROMPT_VERSION,
        answer_tokens=settings.answer_tokens,
    )
    save_report_model(folder, weights, config)
    return folder


def _observed(
    cases: CaseSet, preset: CliniqurePreset, request: TrainingRequest
) -> list[Observation] | None:
    """What the networks say of films that have written reports; None for weak pairs."""
    if preset.cases.kind == "weak":
        return None
    keep = request.out / CACHE / "observations.txt"
    return observe_films(FilmObserver(), cases.paths(), keep)
