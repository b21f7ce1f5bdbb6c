"""The experts' votes on labelled films, as the reconciler hears them, kept in a file for refits.

A votes file is JSON Lines: the first line names the experts and the films' split, each further
line holds one film. Detections are placed by the film's own outlines first, as in a draft; masks
themselves are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from agents.reconciliation.placement import place
from evaluation.experts.classifier import films_of
from evaluation.experts.readings import Film, Readings, Which, wanted
from findings.claims import Frozen
from findings.errors import StudyError
from findings.evidence import Evidence, RegionMask
from findings.vocabulary import Finding
from models.data.finding_sources import NIH_COLUMNS, read_nih
from tools.contract import Role

VOTERS = (Role.CLASSIFIER, Role.DETECTOR, Role.CLUES, Role.CRUDE_REPORT, Role.MEASURER)
"""The roles whose evidence may speak for or against a finding on one film."""


class FilmVotes(Frozen):
    """One film's evidence and what its labels say."""

    image: str
    patient: str
    labels: dict[Finding, bool]
    evidence: tuple[Evidence, ...]


class VotesHeader(Frozen):
    """What a votes file was made of; a file of other experts is made anew."""

    split: Which
    experts: dict[Role, str]


def evidence_on(readings: Readings, film: Film) -> tuple[Evidence, ...]:
    """All voters' evidence on one film, numbered from E1, placed, without masks."""
    heard = [
        item
        for role in (Role.SEGMENTER, *VOTERS)
        if readings.installed(role)
        for item in readings.of(role, film)
    ]
    numbered = [
        item.model_copy(update={"id": f"E{number}"}) for number, item in enumerate(heard, start=1)
    ]
    return tuple(item for item in place(numbered) if not isinstance(item, RegionMask))


def collect_votes(data: Path, split: Which, readings: Readings) -> list[FilmVotes]:
    """The votes on every NIH film of the split.

    Raises:
        StudyError: there is no such film.
    """
    records = [record for record in read_nih(data) if wanted(record.split, split)]
    if not records:
        raise StudyError(
            "The data folder holds no labelled film of this split. Give a folder with nih/, or "
            "read all rows with --split all."
        )
    films = films_of(records)
    readings.prepare([role for role in VOTERS if readings.installed(role)], films)
    return [
        FilmVotes(
            image=record.image_id,
            patient=record.patient,
            labels={Finding(name): bool(record.labels[name]) for name in NIH_COLUMNS},
            evidence=evidence_on(readings, film),
        )
        for record, film in zip(records, films, strict=True)
    ]


def kept_votes(
    file: Path | None, data: Path, split: Which, readings: Readings
) -> tuple[FilmVotes, ...]:
    """The votes in ``file`` where it was made by these experts; else made anew, and kept there."""
    header = header_of(split, readings)
    found = read_votes(file, header) if file is not None else None
    if found is not None:
        return found
    votes = tuple(collect_votes(data, split, readings))
    if file is not None:
        write_votes(file, header, votes)
    return votes


def header_of(split: Which, readings: Readings) -> VotesHeader:
    """Who votes: name, version and checksum of every installed expert."""
    cards = {role: readings.card(role) for role in (Role.SEGMENTER, *VOTERS)}
    return VotesHeader(
        split=split,
        experts={
            role: f"{card.name} {card.version} {card.sha256 or ''}".strip()
            for role, card in cards.items()
            if card is not None
        },
    )


def write_votes(file: Path, header: VotesHeader, votes: Iterable[FilmVotes]) -> None:
    """Write a votes file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    lines = [header.model_dump_json(), *(own.model_dump_json() for own in votes)]
    unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unfinished.replace(file)


def read_votes(file: Path, header: VotesHeader) -> tuple[FilmVotes, ...] | None:
    """The votes of these experts; None where the file is absent, of others, or damaged."""
    if not file.is_file():
        return None
    first, *lines = file.read_text(encoding="utf-8").splitlines() or [""]
    try:
        if VotesHeader.model_validate_json(first) != header:
            return None
        return tuple(FilmVotes.model_validate(json.loads(line)) for line in lines)
    except (ValidationError, ValueError):
        return None


def patients_of(votes: Sequence[FilmVotes]) -> list[str]:
    """The patient of each film."""
    return [own.patient for own in votes]
