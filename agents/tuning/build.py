"""`readingroom tune data`: pairs and preferences of real reports, with their card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Final

from agents.aggregator.prompt import REPORT_PROMPT, load_prompt, load_report_prompt
from agents.tuning.card import DataCard, SourceCard, counted, file_sha256, patients, write_card
from agents.tuning.confusion import measured_confusion
from agents.tuning.corpus import Split, english, spanish
from agents.tuning.preferences import corrupted_preferences, edit_preferences
from agents.tuning.reports import Wordings, read_english, read_spanish, report_pairs
from agents.tuning.sentences import Used, sentence_pairs
from agents.tuning.statements import Statement
from models.language.pairs import PAIRS_FILE, PREFERENCES_FILE, Pair, Part, write_examples

TUNED_PROMPT: Final = "reword_tuned.toml"
_ORDER: Final = (Part.TRAIN, Part.VALIDATION, Part.HELD_OUT)

Progress = Callable[[int, int], None]


def build_tuning_data(
    corpora: Path,
    out: Path,
    *,
    seed: int,
    most_reports: int,
    edits: Path | None,
    command: str,
    progress: Progress,
) -> DataCard:
    """Write `pairs.jsonl`, `preferences.jsonl` and the card into `out`; returns the card.

    `most_reports` is how many reports of each part and language give a pair of the whole-report
    form; `edits` the file that keeps what people changed before they signed.

    Raises `IndexUnavailableError` where the corpora are not there, `ReportError` where `edits` is
    damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    prompt = load_prompt(TUNED_PROMPT)
    read = english(corpora)
    used = Used()
    taught: list[tuple[Pair, Statement]] = []
    whole: list[Pair] = []
    rejected: Counter[str] = Counter()
    labelled = spanish(corpora, 4 * most_reports) if most_reports else None
    for number, part in enumerate(_ORDER):
        progress(number, len(_ORDER))
        told = list(sentence_pairs(read.reports[part], part, prompt, seed, used))
        taught += told
        if labelled is None:
            continue
        # Sentences of one part word no report of another.
        wordings = Wordings(told)
        reported = read_english(read.reports[part][:most_reports])
        named = read_spanish(labelled.reports[part][:most_reports])
        for made in chain(
            report_pairs(reported, part, load_report_prompt(), seed, wordings),
            report_pairs(named, part, load_report_prompt(), seed, wordings),
        ):
            if isinstance(made, Pair):
                whole.append(made)
            else:
                rejected[made] += 1
    progress(len(_ORDER), len(_ORDER))
    pairs = [*(pair for pair, _ in taught), *whole]
    write_examples(out / PAIRS_FILE, pairs)
    preferences = list(corrupted_preferences(taught, seed))
    if edits is not None:
        preferences += edit_preferences(edits, prompt)
    write_examples(out / PREFERENCES_FILE, preferences)
    card = DataCard(
        schema="readingroom/tuning-data/1",
        command=command,
        seed=seed,
        sources=(_openi(read), *([_padchest(labelled)] if labelled is not None else [])),
        prompts={name: _prompt_sha256(name) for name in (TUNED_PROMPT, REPORT_PROMPT)},
        confusion=measured_confusion().version,
        counts=counted(pairs),
        preferences=dict(Counter(f"{p.part}/{p.origin}" for p in preferences).most_common()),
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


def _padchest(reports: Split) -> SourceCard:
    return SourceCard(
        name="PadChest, labels and places",
        licence="PadChest research use agreement",
        cite="Bustos et al., Med Image Anal 2020",
        reports={part.value: len(found) for part, found in reports.reports.items()},
        repeated=reports.repeated,
    )


def _prompt_sha256(name: str) -> str:
    text = resources.files("agents.prompts").joinpath(name).read_bytes()
    return hashlib.sha256(text).hexdigest()
