"""What supervised and preference tuning have in common around trl's trainers."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from findings.errors import ReportError, SettingsError, TrainingInterruptedError, WeightsError
from models.language.adapter_card import (
    WEIGHTS_FILE,
    AdapterCard,
    read_adapter_card,
    require_match,
    write_adapter_card,
)
from models.language.pairs import Example, Part, read_examples
from models.language.tuning import ADAPTER, RunSettings, TuningRequest, shown
from models.training.stopping import StopSignals

LICENCE: Final = "as the base model; trained on research-only reports, see the data card"
METRICS: Final = "metrics.json"
_CHECKPOINTS: Final = "checkpoints"
_LOG: Final = logging.getLogger("readingroom.tuning")

Row = dict[str, list[dict[str, str]]]
"""Conversations by the names of trl's columns."""


def prepared_model(request: TuningRequest) -> tuple[Any, Any]:
    """The base model with the adapter to be trained, and the tokenizer.

    Raises `WeightsError` where the base or the adapter to start from is not usable.
    """
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed

    from models.language.loading import load_language_model

    preset = request.preset
    set_seed(preset.run.seed)
    if preset.quantised == "none":
        model, tokenizer = load_language_model(
            preset.base, request.cache, dtype=preset.run.precision
        )
    else:
        model, tokenizer = _in_four_bits(request)
    # The trainer sets the pad token; a base model may come without one.
    model.config.use_cache = False
    if request.start is not None:
        require_match(read_adapter_card(request.start), request.match)
        started: Any = PeftModel.from_pretrained(model, request.start, is_trainable=True)
        # The name in the adapter is not a folder here: peft would look for it on the hub.
        started.peft_config["default"].base_model_name_or_path = model.name_or_path
        return started, tokenizer
    lora, made = preset.lora, LoraConfig
    config: Any = made(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config), tokenizer


def _in_four_bits(request: TuningRequest) -> tuple[Any, Any]:
    """The base model in 4 bits, on a GPU."""
    import torch

    from models.language.loading import located

    if not torch.cuda.is_available():
        raise SettingsError(
            "This preset keeps the base model in 4 bits, which takes a GPU and there is none here. "
            "Use --preset small, or run it on a machine with a GPU."
        )
    try:
        import bitsandbytes as _  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "This preset keeps the base model in 4 bits, which takes the package bitsandbytes. "
            "Run 'pip install bitsandbytes'."
        ) from error
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    folder = located(request.preset.base, request.cache)
    models: Any = AutoModelForCausalLM
    tokenizers: Any = AutoTokenizer
    packed: Any = BitsAndBytesConfig
    model = models.from_pretrained(
        folder,
        quantization_config=packed(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
        dtype=torch.bfloat16,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    tokenizer = tokenizers.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    prepared: Any = prepare_model_for_kbit_training
    return prepared(model), tokenizer


def examples_of(
    request: TuningRequest, file: str, kind: type[Example], called: str
) -> tuple[list[Example], list[Example]]:
    """Examples of the preset's form and languages: drawn ones to train on, and to validate on.

    Raises `ReportError` where there are none; `called` says of what.
    """
    preset = request.preset
    fitting = [
        example
        for example in read_examples(request.data / file, kind)
        if example.form is preset.form and example.language in preset.languages
    ]
    training = _sampled([e for e in fitting if e.part is Part.TRAIN], preset.run)
    validation = [e for e in fitting if e.part is Part.VALIDATION]
    if not training or not validation:
        raise ReportError(
            f"The tuning data hold no {preset.form.value} {called} to train and to validate on. "
            "Make them with 'readingroom tune data'."
        )
    return training, validation


def _sampled(examples: Sequence[Example], run: RunSettings) -> list[Example]:
    """The preset's number of examples, drawn by its seed; all of them where it names none."""
    if not 0 < run.most_examples < len(examples):
        return list(examples)
    return random.Random(run.seed).sample(list(examples), run.most_examples)


def run_trainer(
    request: TuningRequest,
    trainer_kind: Any,
    settings_kind: Any,
    own_settings: dict[str, Any],
    training: list[Row],
    validation: list[Row],
) -> tuple[Any, Watch]:
    """Train with one of trl's trainers; measured before, unless resumed, and after.

    ``own_settings`` are those that the trainers do not share.

    Raises:
        WeightsError: the base model, or the adapter to start from, is not usable.
        SettingsError: this machine lacks what is asked for, or the folder holds another run.
        TrainingInterruptedError: a signal ended the run; it is saved.
    """
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    model, tokenizer = prepared_model(request)
    settings = settings_kind(**_shared_settings(request, len(training)), **own_settings)
    with Watch(request) as watch:
        trainer = trainer_kind(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list(training),
            eval_dataset=Dataset.from_list(validation),
            processing_class=tokenizer,
            callbacks=[watch.callback()],
        )
        _quietly(trainer)
        begin = _checkpoint_of(request)
        watch.resumed = begin is not None
        if begin is None:
            trainer.evaluate()
        trainer.train(resume_from_checkpoint=begin)
        watch.require_finished()
        trainer.evaluate()
    return trainer, watch


def _shared_settings(request: TuningRequest, examples: int) -> dict[str, Any]:
    """The settings that transformers' trainers share, of a preset over so many examples."""
    import torch

    run = request.preset.run
    on_gpu = torch.cuda.is_available()
    steps = math.ceil(examples / (run.batch_size * run.accumulate) * run.epochs)
    return {
        "output_dir": str(request.out / _CHECKPOINTS),
        "num_train_epochs": run.epochs,
        "per_device_train_batch_size": run.batch_size,
        "per_device_eval_batch_size": run.batch_size,
        "gradient_accumulation_steps": run.accumulate,
        "learning_rate": run.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": math.ceil(run.warmup_share * steps),
        "max_grad_norm": run.clip_norm,
        "gradient_checkpointing": run.gradient_checkpointing,
        # On a processor the base model is in bfloat16 itself; autocasting it costs three times.
        "bf16": on_gpu and run.precision == "bfloat16",
        "fp16": False,
        "use_cpu": not on_gpu,
        "seed": run.seed,
        "data_seed": run.seed,
        "eval_strategy": "steps",
        "eval_steps": run.validate_every,
        "save_strategy": "steps",
        "save_steps": run.validate_every,
        "save_total_limit": 2,
        "logging_steps": 10,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": on_gpu,
        "dataset_num_proc": None,
    }


def _checkpoint_of(request: TuningRequest) -> str | None:
    """The checkpoint to resume from; `None` for a new run.

    Raises `SettingsError` where a new run would fall over an old one's checkpoints.
    """
    from transformers.trainer_utils import get_last_checkpoint

    folder = request.out / _CHECKPOINTS
    last: Any = get_last_checkpoint
    found: str | None = last(str(folder)) if folder.is_dir() else None
    if found is not None and not request.resume:
        raise SettingsError(
            "The folder for the run holds checkpoints of another run. Go on with it by --resume, "
            "or name a new folder."
        )
    return found


def _quietly(trainer: Any) -> None:
    """Take the trainer's own printing away: the run's figures are logged as the project's are."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


class Watch:
    """Follows a run: figures as lines, and a signal that ends it after the step in hand."""

    def __init__(self, request: TuningRequest) -> None:
        self._request = request
        self._stop = StopSignals()
        self._history: list[dict[str, float]] = []
        self._stopped_at: int | None = None
        self._started = self._seconds = 0.0
        self.resumed = False

    def __enter__(self) -> Watch:
        self._stop.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.__exit__(kind, error, traceback)

    def callback(self) -> Any:
        """The callback for transformers' trainer."""
        from transformers import TrainerCallback

        watch = self

        class _Callback(TrainerCallback):  # type: ignore[misc,unused-ignore]
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
                if watch._stop.noted:
                    watch._stopped_at = state.global_step
                    control.should_save = control.should_training_stop = True
                return control

            def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
                watch._started = time.monotonic()

            def on_train_end(self, *args: Any, **kwargs: Any) -> None:
                watch._seconds = time.monotonic() - watch._started

            def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch._note(state.global_step, state.max_steps, kwargs.get("logs") or {})

        return _Callback()

    def _note(self, step: int, steps: int, logs: dict[str, Any]) -> None:
        figures = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
        if figures:
            self._history.append({"step": float(step), **figures})
            wanted = ("loss", "eval_loss", "eval_rewards/margins", "rewards/margins")
            line = {name: figures[name] for name in wanted if name in figures}
            if line:
                _LOG.info("step=%d of=%d %s", step, steps, shown(line))

    def require_finished(self) -> None:
        """Raise `TrainingInterruptedError` where a signal ended the run."""
        if self._stopped_at is not None:
            raise TrainingInterruptedError(
                f"The run was interrupted after step {self._stopped_at} and is saved. Give the "
                "same command with --resume to go on."
            )

    def values(self, name: str) -> list[float]:
        """A figure's values over the run, in order."""
        return [entry[name] for entry in self._history if name in entry]

    def figures(self, trainer: Any) -> dict[str, float]:
        """Steps, seconds and speed of the training that this process did."""
        state = trainer.state
        (self._request.out / METRICS).write_text(
            json.dumps(self._history, indent=1) + "\n", encoding="utf-8"
        )
        found = {"steps": float(state.global_step), "seconds": round(self._seconds, 1)}
        tokens = self.values("num_tokens")
        if tokens:
            found["tokens"] = tokens[-1]
        return found


def finish(
    request: TuningRequest, model: Any, figures: dict[str, float], examples: list[str]
) -> Path:
    """Write the adapter in half precision with its config and card; returns its folder."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder = request.out / ADAPTER
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in get_peft_model_state_dict(model, adapter_name="default").items()
    }
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise WeightsError(
            "The tuned adapter holds numbers that are not finite, so it is not kept. Lower the "
            "learning rate in the preset."
        )
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    (folder / WEIGHTS_FILE).chmod(0o644)
    config = model.peft_config["default"]
    config.base_model_name_or_path = request.match.base_model
    config.inference_mode = True
    config.save_pretrained(folder)
    with (folder / WEIGHTS_FILE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    lora = request.preset.lora
    targets = sorted({name.rsplit(".lora_", 1)[0].rsplit(".", 1)[-1] for name in weights})
    card = AdapterCard(
        schema="readingroom/adapter/1",
        name=request.name,
        version=request.version,
        licence=LICENCE,
        method=request.preset.method,
        languages=request.preset.languages,
        match=request.match,
        rank=lora.rank,
        alpha=lora.alpha,
        targets=tuple(targets),
        parameters=sum(value.numel() for value in weights.values()),
        weights_sha256=digest,
        data_sha256=hashlib.sha256("\n".join(sorted(examples)).encode()).hexdigest(),
        command=request.command,
        metrics={name: round(value, 6) for name, value in figures.items()},
    )
    write_adapter_card(folder, card)
    return folder
