"""The card of a set of tuning data: what it was made of, how, and how much of what there is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from findings.claims import Frozen
from models.language.pairs import PAIRS_FILE, Pair

CARD: Final = "data_card.json"
CARD_PAGE: Final = "DATA_CARD.md"


class SourceCard(Frozen):
    """One corpus and how its reports were divided."""

    name: str
    licence: str
    cite: str
    reports: dict[str, int] = Field(description="by part, after equal texts were left out")
    repeated: int = Field(ge=0, description="reports with the words of another, left out")


class DataCard(Frozen):
    """What a folder of tuning data holds."""

    schema_: Literal["readingroom/tuning-data/1"] = Field(
        default="readingroom/tuning-data/1", alias="schema"
    )
    command: str
    seed: int
    sources: tuple[SourceCard, ...]
    prompts: dict[str, str] = Field(description="SHA-256 of each prompt file used, by its name")
    confusion: str = Field(description="version of the experts' measured confusion")
    counts: dict[str, int] = Field(description="pairs by form, language, part and origin")
    preferences: dict[str, int] = Field(description="preferences by part and fault")
    patients: dict[str, int] = Field(description="patients by part")
    rejected: dict[str, int] = Field(description="reports that gave no pair, by reason")
    sha256: str = Field(description=f"of {PAIRS_FILE}")

    def markdown(self) -> str:
        """The card as a page."""
        lines = [
            "# Tuning data",
            "",
            f"Made by `{self.command}`, seed {self.seed}. SHA-256 of the pairs: `{self.sha256}`.",
            "",
            "Every pair passes the verification that it teaches: the answer was read back and held",
            "to the ledger as a draft's sentence is. Patients, and equal texts, are in one part",
            "only. The texts are the publishers' and must not be passed on; see their licences.",
            "",
            "| source | licence | train | validation | held out | repeated, left out |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {s.name} ({s.cite}) | {s.licence} | {s.reports.get('train', 0)} "
            f"| {s.reports.get('validation', 0)} | {s.reports.get('held_out', 0)} "
            f"| {s.repeated} |"
            for s in self.sources
        ]
        lines += ["", "| form, language, part, origin | pairs |", "|---|---|"]
        lines += [f"| {name.replace('/', ', ')} | {n} |" for name, n in self.counts.items()]
        if self.preferences:
            lines += ["", "| preferences: part, what is wrong with the rejected | number |"]
            lines += ["|---|---|"]
            lines += [
                f"| {name.replace('/', ', ')} | {n} |" for name, n in self.preferences.items()
            ]
        if self.rejected:
            lines += ["", "| reports without a pair, why | number |", "|---|---|"]
            lines += [f"| {why} | {n} |" for why, n in self.rejected.items()]
        lines += [
            "",
            "Origins: `real`, a radiologist's sentence as it stands; `mirrored`, with the other",
            "side; `recast`, with the name of another finding; `hedged`, with a hedge; `measured`,",
            "with a cardiothoracic ratio (each read back as meaning exactly that); `report`, a",
            "whole report whose sentences are the radiologist's where the ledger carries them and",
            "the phraser's otherwise; `phrased`, sentences of the phraser alone (Spanish, whose",
            "published reports are stemmed).",
        ]
        return "\n".join(lines) + "\n"


def counted(pairs: Sequence[Pair]) -> dict[str, int]:
    """Pairs by form, language, part and origin, commonest first within a part."""
    found = Counter(f"{p.form}/{p.language}/{p.part}/{p.origin}" for p in pairs)
    return dict(sorted(found.items(), key=lambda item: (item[0].split("/")[:3], -item[1])))


def patients(pairs: Sequence[Pair]) -> dict[str, int]:
    """Patients by part."""
    known: dict[str, set[str]] = {}
    for pair in pairs:
        known.setdefault(pair.part.value, set()).add(pair.patient)
    return {part: len(found) for part, found in sorted(known.items())}


def write_card(folder: Path, card: DataCard) -> None:
    """Write the card as JSON and as a page."""
    (folder / CARD).write_text(
        card.model_dump_json(indent=2, by_alias=True) + "\n", encoding="utf-8"
    )
    (folder / CARD_PAGE).write_text(card.markdown(), encoding="utf-8")


def file_sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
