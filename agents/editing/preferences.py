"""Preference pairs: what a person preferred to what a machine had written, for further tuning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agents.editing.acts import EditedReport, Standing
from findings.claims import Claim, Frozen
from findings.vocabulary import Language
from reporting.draft import Draft, SectionName, Writer

PREFERENCES_FILE: Final = "preferences.jsonl"


class PreferencePair(Frozen):
    """One sentence that a person changed before signing. An empty text: nothing was wanted."""

    study_key: str
    writer: Writer
    language: Language
    section: SectionName
    claims: tuple[Claim, ...] = ()
    """What the chosen sentence says, as the labeler reads it; of a rejected one, what it said."""
    chosen: str
    rejected: str


def pairs(draft: Draft, report: EditedReport) -> Iterator[PreferencePair]:
    """The pairs of one signed report, in reading order."""
    for line in report.lines:
        if line.standing in (Standing.OPEN, Standing.ACCEPTED):
            continue
        removed = line.standing is Standing.REJECTED
        if removed and line.drafted is None:
            continue
        yield PreferencePair(
            study_key=draft.study_key,
            writer=draft.writer,
            language=line.language,
            section=line.section,
            claims=line.sentence.claims,
            chosen="" if removed else line.sentence.text,
            rejected=line.drafted or "",
        )


def keep_pairs(file: Path, draft: Draft, report: EditedReport) -> int:
    """Append the pairs to a file that only its owner reads; returns how many there were."""
    found = [pair.model_dump_json() + "\n" for pair in pairs(draft, report)]
    if found:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write("".join(found))
    return len(found)
