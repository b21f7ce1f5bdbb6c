"""Direct preference optimisation of an adapter (Rafailov et al., NeurIPS 2023), by trl.

The adapter that the run starts from is kept beside the one in training as what it is measured
against. The margin is the difference of the logarithms of the probabilities of the preferred and
the rejected answer, summed over their words.
"""

from __future__ import annotations

from typing import Final

from models.language.pairs import PREFERENCES_FILE, Preference
from models.language.trainer import Row, examples_of, finish, run_trainer
from models.language.tuning import TuningRequest

_MOST_VALIDATED: Final = 24


def tune_dpo(request: TuningRequest) -> dict[str, float]:
    """Tune an adapter on the preferences of `request.data`; leaves it in `request.out/adapter`.

    Returns the figures on its card, the margin and how often the preferred answer is the likelier
    one among them, before and after. Raises as `models.language.sft.tune_sft`.
    """
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    run = request.preset.run
    training, validation = examples_of(request, PREFERENCES_FILE, Preference, "preferences")
    trainer, watch = run_trainer(
        request,
        DPOTrainer,
        DPOConfig,
        {"max_length": run.max_tokens, "beta": run.beta},
        [_row(example) for example in training],
        [_row(example) for example in validation[:_MOST_VALIDATED]],
    )
    figures = {"examples": float(len(training)), **watch.figures(trainer)}
    for when, place in (("", -1),) if watch.resumed else (("_before", 0), ("", -1)):
        chosen = watch.values("eval_logps/chosen")[place]
        figures[f"margin{when}"] = chosen - watch.values("eval_logps/rejected")[place]
        figures[f"validation_loss{when}"] = watch.values("eval_loss")[place]
    figures["reward_accuracy"] = watch.values("eval_rewards/accuracies")[-1]
    finish(request, trainer.model, figures, [example.id for example in training])
    return figures


def _row(example: Preference) -> Row:
    return {
        "prompt": [turn.model_dump() for turn in example.prompt],
        "chosen": [{"role": "assistant", "content": example.chosen}],
        "rejected": [{"role": "assistant", "content": example.rejected}],
    }
