"""Direct preference optimisation of an adapter (Rafailov et al., NeurIPS 2023), by trl.

The adapter that the run starts from is kept beside the one in training as what it is measured
against. The margin is the difference of the logarithms of the probabilities of the preferred and
the rejected answer, summed over their words.
"""

from __future__ import annotations

from typing import Any, Final

from findings.errors import ReportError
from models.language.pairs import PREFERENCES_FILE, Part, Preference, read_examples
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

_MOST_VALIDATED: Final = 24


def tune_dpo(request: TuningRequest) -> dict[str, float]:
    """Tune an adapter on the preferences of `request.data`; leaves it in `request.out/adapter`.

    Returns the figures on its card, the margin and how often the preferred answer is the likelier
    one among them, before and after. Raises as `models.language.sft.tune_sft`.
    """
    from datasets import Dataset, disable_progress_bars
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    disable_progress_bars()

    preset, run = request.preset, request.preset.run
    examples = [
        example
        for example in read_examples(request.data / PREFERENCES_FILE, Preference)
        if example.form is preset.form and example.language in preset.languages
    ]
    training = sampled([e for e in examples if e.part is Part.TRAIN], run)
    validation = [e for e in examples if e.part is Part.VALIDATION][:_MOST_VALIDATED]
    if not training or not validation:
        raise ReportError(
            f"The tuning data hold no {preset.form.value} preferences to train and to validate on. "
            "Make them with 'readingroom tune data'."
        )
    model, tokenizer = prepared_model(request)
    made: Any = DPOConfig
    settings = made(
        **trainer_settings(request, len(training)), max_length=run.max_tokens, beta=run.beta
    )
    with Watch(request) as watch:
        trainer: Any = DPOTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list([_row(example) for example in training]),
            eval_dataset=Dataset.from_list([_row(example) for example in validation]),
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
    figures = {"examples": float(len(training)), **watch.figures(trainer)}
    for when, place in (("_before", 0), ("", -1)) if begin is None else (("", -1),):
        chosen = watch.values("eval_logps/chosen")[place]
        figures[f"margin{when}"] = chosen - watch.values("eval_logps/rejected")[place]
        figures[f"validation_loss{when}"] = watch.values("eval_loss")[place]
    figures["reward_accuracy"] = watch.values("eval_rewards/accuracies")[-1]
    finish(request, trainer.model, figures, [example.id for example in training])
    return figures


def _row(example: Preference) -> dict[str, list[dict[str, str]]]:
    return {
        "prompt": [turn.model_dump() for turn in example.prompt],
        "chosen": [{"role": "assistant", "content": example.chosen}],
        "rejected": [{"role": "assistant", "content": example.rejected}],
    }
