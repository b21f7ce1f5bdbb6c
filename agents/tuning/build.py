"""`readingroom tune data`: pairs and preferences of real reports, with their card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Final

from agents.aggregator.prompt import load_prompt
from agents.tuning.card import DataCard, SourceCard, counted, file_sha256, patients, write_card
from agents.tuning.corpus import Split, english
from agents.tuning.sentences import Used, sentence_pairs
from models.language.pairs import (
    PAIRS_FILE,
    Part,
    write_examples,
)

TUNED_PROMPT: Final = "reword_tuned.toml"
_ORDER: Final = (Part.TRAIN, Part.VALIDATION, Part.HELD_OUT)

Progress = Callable[[int, int], None]


def build_tuning_data(
    corpora: Path, out: Path, seed: int, spanish_reports: int, command: str, progress: Progress
) -> DataCard:
    """Write `pairs.jsonl`, `preferences.jsonl` and the card into `out`; returns the card.

    Raises `IndexUnavailableError` where the corpora are not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    prompt = load_prompt(TUNED_PROMPT)
    reports = english(corpora)
    used, pairs = Used(), []
    rejected: Counter[str] = Counter()
    for number, part in enumerate(_ORDER):
        progress(number, len(_ORDER))
        pairs += list(sentence_pairs(reports.reports[part], part, prompt, seed, used))
    progress(len(_ORDER), len(_ORDER))
    write_examples(out / PAIRS_FILE, pairs)
    card = DataCard(
        schema="readingroom/tuning-data/1",
        command=command,
        seed=seed,
        sources=(_openi(reports),),
        prompts={name: _prompt_sha256(name) for name in (TUNED_PROMPT,)},
        confusion="",
        counts=counted(pairs),
        patients=patients(pairs),
        rejected=dict(rejected.most_common()),
        sha256=file_sha256(out / PAIRS_FILE),
    )
    write_card(out, card)
    return card


def _openi(reports: Split) -> SourceCard:
    return SourceCard(
        name="Open-i (Indiana University)",
        licence="CC BY-NC-ND 4.0",
        cite="Demner-Fushman et al., JAMIA 2016",
        reports={part.value: len(found) for part, found in reports.reports.items()},
        repeated=reports.repeated,
    )


def _prompt_sha256(name: str) -> str:
    text = resources.files("agents.prompts").joinpath(name).read_bytes()
    return hashlib.sha256(text).hexdigest()
