"""Preferences: verified sentences over corrupted ones, and a person's edits over what was drafted.

A corruption is one of the faults that verification names, made in a verified sentence; it is used
only where the read-back finds it. What a person changed before signing is used where the new
sentence passes as a rewording of the phraser's for the same claims.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agents.aggregator.prompt import RewordingPrompt
from agents.editing.preferences import PreferencePair
from agents.tuning.sentences import answer, turns
from agents.tuning.statements import Statement, passes, statement
from findings.errors import ReportError
from findings.vocabulary import Language
from models.language.pairs import Form, Pair, Part, Preference
from reporting.context import ReportContext
from reporting.draft import SectionName

EDIT: Final = "edit"
_MOST_LINE: Final = 100_000
_RARER: Final = 0.8
_SIDES: Final = {
    "left": "right",
    "right": "left",
    "bilateral": "left",
    "bilaterally": "on the left",
}
_SEVERITIES: Final = ("minimal", "mild", "moderate", "severe")
_TEMPTING: Final = ("pneumothorax", "pleural effusion", "consolidation", "a nodule", "edema")
_SURE: Final = (
    (r"\bmay be (?=\w+ed\b)", "is "),
    (r"\bmay be\b", "is"),
    (r"\bis likely\b", "is"),
    (r"\b(?:[Pp]ossible|[Pp]robable) (\w)", r"\1"),
)

Corruption = Callable[[str, random.Random], str | None]


def corruptions(made: Statement, chance: random.Random) -> dict[str, str]:
    """Faulty versions of a verified sentence by the fault, each one found by the read-back."""
    found = {}
    for name, corrupt in _CORRUPTIONS.items():
        text = corrupt(made.text, chance)
        if text is None or text == made.text:
            continue
        text = text[0].upper() + text[1:]
        if not passes(text, made.phrased, made.ledger, ReportContext()):
            found[name] = text
    return found


def corrupted_preferences(
    examples: Sequence[tuple[Pair, Statement]], seed: int
) -> Iterator[Preference]:
    """One preference for each example that can be corrupted, the faults in a drawn order."""
    for pair, made in examples:
        chance = random.Random(f"{seed}:preference:{pair.id}")
        found = corruptions(made, chance)
        if not found:
            continue
        # Every sentence can be added to; the other faults would drown.
        rarer = sorted(found.keys() - {"added"})
        name = chance.choice(rarer if rarer and chance.random() < _RARER else sorted(found))
        yield Preference(
            **pair.model_dump(exclude={"answer", "origin", "id"}),
            id=f"{pair.id}-{name}",
            origin=name,
            chosen=pair.answer,
            rejected=answer(found[name]),
        )


def edit_preferences(file: Path, prompt: RewordingPrompt) -> Iterator[Preference]:
    """Preferences of what people changed before they signed (`agents.editing.preferences`).

    English sentences of the findings section that still say what the ledger carries; a removed
    sentence teaches nothing of wording. They are for training only. Raises `ReportError` where the
    file is damaged.
    """
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_MOST_LINE), ""), start=1):
            try:
                edit = PreferencePair.model_validate_json(line)
            except ValidationError as error:
                raise ReportError(
                    f"Line {number} of the kept edits is damaged. Remove it, or the file."
                ) from error
            if edit.language is not Language.ENGLISH or edit.section is not SectionName.FINDINGS:
                continue
            made = statement(edit.chosen) if edit.chosen and edit.rejected else None
            if made is None or edit.rejected == made.text:
                continue
            yield Preference(
                id=f"{EDIT}-{number}",
                patient=edit.study_key,
                part=Part.TRAIN,
                language=edit.language,
                form=Form.SENTENCE,
                origin=EDIT,
                prompt=turns(made, prompt),
                chosen=answer(made.text),
                rejected=answer(edit.rejected),
            )


def _other_side(text: str, _: random.Random) -> str | None:
    def swapped(match: re.Match[str]) -> str:
        return _SIDES[match.group().lower()]

    return re.sub(r"\b(?:left|right|bilateral|bilaterally)\b", swapped, text, flags=re.IGNORECASE)


def _other_severity(text: str, chance: random.Random) -> str | None:
    match = re.search(r"\b(?:small|minimal|mild|moderate|severe|large)(ly)?\b", text, re.IGNORECASE)
    if match is None:
        return None
    other = chance.choice([word for word in _SEVERITIES if word != match.group().lower()])
    return text[: match.start()] + other + (match.group(1) or "") + text[match.end() :]


def _turned_round(text: str, _: random.Random) -> str | None:
    for pattern, replacement in (
        (r"^There (is|are) no ", r"There \1 "),
        (r"^No (?:evidence of )?(.+)\.$", r"There is \1."),
        (r"^There (is|are) (?:an? )?", r"There \1 no "),
    ):
        if re.search(pattern, text):
            return re.sub(pattern, replacement, text)
    return None


def _tempted(text: str, chance: random.Random) -> str | None:
    extra = chance.choice(_TEMPTING)
    return None if extra in text else f"{text.removesuffix('.')} and {extra}."


def _too_sure(text: str, _: random.Random) -> str | None:
    for pattern, replacement in _SURE:
        if re.search(pattern, text):
            return re.sub(pattern, replacement, text, count=1)
    return None


def _other_number(text: str, chance: random.Random) -> str | None:
    match = re.search(r"\b0\.(\d\d)\b", text)
    if match is None:
        return None
    other = (int(match.group(1)) + chance.choice((-7, -3, 3, 7))) % 100
    return f"{text[: match.start()]}0.{other:02d}{text[match.end() :]}"


_CORRUPTIONS: Final[dict[str, Corruption]] = {
    "side": _other_side,
    "severity": _other_severity,
    "flipped": _turned_round,
    "added": _tempted,
    "certainty": _too_sure,
    "number": _other_number,
}
