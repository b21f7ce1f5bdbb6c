"""Supervised fine-tuning of an adapter on pairs, by trl's SFTTrainer.

The loss is taken over the answer alone. A run is saved at every validation; resumed, it goes on
from its last checkpoint with the same order of examples.
"""

from __future__ import annotations

from models.language.pairs import PAIRS_FILE, Pair
from models.language.trainer import Row, examples_of, finish, run_trainer
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
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    run = request.preset.run
    training, validation = examples_of(request, PAIRS_FILE, Pair, "pairs")
    trainer, watch = run_trainer(
        request,
        SFTTrainer,
        SFTConfig,
        {
            "max_length": run.max_tokens,
            "packing": run.packing,
            "eval_packing": False,
            "completion_only_loss": True,
        },
        [_row(pair) for pair in training],
        [_row(pair) for pair in validation],
    )
    losses = watch.values("eval_loss")
    figures = {"examples": float(len(training)), **watch.figures(trainer)}
    if not watch.resumed:
        figures["validation_loss_before"] = losses[0]
    figures["validation_loss"] = losses[-1]
    finish(request, trainer.model, figures, [pair.id for pair in training])
    return figures


def _row(pair: Pair) -> Row:
    return {
        "prompt": [turn.model_dump() for turn in pair.prompt],
        "completion": [{"role": "assistant", "content": pair.answer}],
    }
