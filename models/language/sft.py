"""Supervised fine-tuning of an adapter on pairs, by trl's SFTTrainer.

The loss is taken over the answer alone. A run is saved at every validation; resumed, it goes on
from its last checkpoint with the same order of examples.
"""

from __future__ import annotations

from typing import Any

from findings.errors import ReportError
from models.language.pairs import PAIRS_FILE, Pair, Part, read_examples
from models.language.trainer import (
    Watch,
    checkpoint_of,
    finish,
    prepared_model,
    quietly,
    sampled,
    trainer_settings,
)
from models.language.tuning import TuningRequest


def tune_sft(request: TuningRequest) -> dict[str, float]:
    """Tune an adapter on the pairs of `request.data`; leaves it in `request.out/adapter`.

    Returns the figures on its card: losses before and after, steps, seconds and tokens a second.

    Raises:
        ReportError: there are no pairs of the preset's form and languages.
        WeightsError: the base model is not here.
        SettingsError: the preset asks for what this machine lacks.
        TrainingInterruptedError: a signal ended the run; it is saved.
    """
    from datasets import Dataset, disable_progress_bars
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    disable_progress_bars()

    preset, run = request.preset, request.preset.run
    pairs = [
        pair
        for pair in read_examples(request.data / PAIRS_FILE, Pair)
        if pair.form is preset.form and pair.language in preset.languages
    ]
    training = [pair for pair in pairs if pair.part is Part.TRAIN]
    validation = [pair for pair in pairs if pair.part is Part.VALIDATION]
    training = sampled(training, run)
    if not training or not validation:
        raise ReportError(
            f"The tuning data hold no {preset.form.value} pairs to train and to validate on. "
            "Make them with 'readingroom tune data'."
        )
    model, tokenizer = prepared_model(request)
    made: Any = SFTConfig
    settings = made(
        **trainer_settings(request, len(training)),
        max_length=run.max_tokens,
        packing=run.packing,
        eval_packing=False,
        completion_only_loss=True,
    )
    with Watch(request) as watch:
        trainer: Any = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list([_row(pair) for pair in training]),
            eval_dataset=Dataset.from_list([_row(pair) for pair in validation]),
            processing_class=tokenizer,
            callbacks=[watch.callback()],
        )
        quietly(trainer)
        begin = checkpoint_of(request)
        if begin is None:
            trainer.evaluate()
        trainer.train(resume_from_checkpoint=begin)
        watch.require_finished()
        trainer.evaluate()
    losses = watch.values("eval_loss")
    figures = {"examples": float(len(training)), **watch.figures(trainer)}
    if begin is None:
        figures["validation_loss_before"] = losses[0]
    figures["validation_loss"] = losses[-1]
    finish(request, trainer.model, figures, [pair.id for pair in training])
    return figures


def _row(pair: Pair) -> dict[str, list[dict[str, str]]]:
    return {
        "prompt": [turn.model_dump() for turn in pair.prompt],
        "completion": [{"role": "assistant", "content": pair.answer}],
    }
