"""The report as the page shows it: sentences as they stand, their evidence, and what is noted.

Everything is plain JSON; the page puts texts in as text, never as markup.
"""

from __future__ import annotations

from typing import Any, Final

from agents.conversation.phrases import phrases
from agents.editing import EditBook, Line, Note
from findings.catalogue import describe, is_a, region_name
from findings.evidence import (
    Classification,
    Detection,
    Evidence,
    MeasurementEvidence,
    RegionMask,
)
from findings.regions import Region
from findings.vocabulary import Language
from reporting.conflicts import conflict_in
from reporting.draft import Draft
from reporting.labels import labels
from reporting.ledger import LedgerEntry
from reporting.limits import limits
from reporting.phrasebook import agree, phrase_book
from reporting.remarks import reason_in, remarks
from reporting.render import measurement_name, measurement_value, signed_by

_MOST_OUTLINE_POINTS: Final = 400
_WORDED: Final = ("missed", "wrong_side", "measurement")
"""Notes whose suggestion is a sentence that may stand in the report."""


def report_view(draft: Draft, book: EditBook, has_prior: bool) -> dict[str, Any]:
    """What `assets/report.js` shows; it changes with every edit."""
    report = book.report(draft)
    notes = book.notes(draft, has_prior)
    spoken = draft.model_copy(update={"language": report.language})
    return {
        "language": report.language.value,
        "status": draft.status.value,
        "writer": draft.writer.value,
        "signed": signed_by(draft),
        "acts": len(book.acts),
        "open": report.open,
        "sentences": [_sentence(line, notes, draft, report.language) for line in report.lines],
        "notes": [_note(note, report.language) for note in notes if note.sentence is None],
        "limits": {
            "heading": labels(report.language).headings["limits"],
            "texts": list(limits(spoken)),
        },
    }


def evidence_view(draft: Draft) -> dict[str, Any]:
    """What the sentences rest on; no edit changes it."""
    language = draft.language
    return {
        "evidence": {item.id: _evidence(item, language) for item in draft.evidence},
        "ledger": {entry.id: _entry(entry, draft) for entry in draft.ledger},
        "measurements": [
            {
                "name": measurement_name(item.name, language),
                "value": measurement_value(item, language),
                "evidence": item.evidence,
            }
            for item in draft.measurements
        ],
        "neighbours": [
            {
                "id": n.report_id,
                "similarity": n.similarity,
                "text": n.text,
                "findings": [finding.value for finding in n.findings],
            }
            for n in draft.neighbours
        ],
        "gate": [reason.text for reason in draft.gate.reasons],
        "experts": [
            {"role": note.role, "status": note.status, "detail": note.detail}
            for note in draft.experts
        ],
        "warnings": list(draft.warnings),
        "models": [
            {"role": m.role, "name": m.name, "version": m.version, "licence": m.licence}
            for m in draft.models
        ],
        "timings": draft.timings,
        "suggested": _suggested(draft),
    }


def notes_view(notes: tuple[Note, ...], language: Language) -> list[dict[str, Any]]:
    """Remarks of a check that was only tried."""
    return [{**_note(note, language), "sentence": note.sentence} for note in notes]


def _sentence(
    line: Line, notes: tuple[Note, ...], draft: Draft, language: Language
) -> dict[str, Any]:
    sentence = line.sentence
    claims = sentence.claims
    return {
        "id": sentence.id,
        "section": line.section.value,
        "text": sentence.text,
        "drafted": line.drafted,
        "standing": line.standing.value,
        "language": line.language.value,
        "origin": sentence.origin.value,
        "evidence": list(sentence.evidence),
        "entries": list(sentence.entries),
        "claims": bool(claims),
        "present": any(claim.present for claim in claims),
        "certainty": next((c.certainty.value for c in claims if c.present), None),
        "neighbours": [
            number
            for number, n in enumerate(draft.neighbours)
            if any(_related(f, c.finding) for f in n.findings for c in claims if c.present)
        ],
        "notes": [_note(note, language) for note in notes if note.sentence == sentence.id],
    }


def _related(one: Any, other: Any) -> bool:
    return is_a(one, other) or is_a(other, one)


def _note(note: Note, language: Language) -> dict[str, Any]:
    head = remarks(language).heads.get(note.kind.value, "")
    return {
        "severity": note.severity.value,
        "contradicts": note.contradicts,
        "text": f"{head.replace('{finding}', _named(note, language))} {note.text}".strip(),
        "evidence": list(note.evidence),
        "suggestion": note.suggestion if note.kind.value in _WORDED else None,
    }


def _named(note: Note, language: Language) -> str:
    """The finding that a remark is about, with its side where it has one."""
    if note.finding is None:
        return ""
    name = describe(note.finding).name(language)
    book = phrase_book(language)
    forms = book.sides.get(note.side.value) if note.side else None
    if forms is None:
        return name
    noun = book.noun(note.finding)
    side = agree(forms, noun.gender, noun.plural)
    return f"{side} {name}" if language is Language.ENGLISH else f"{name} {side}"


def _entry(entry: LedgerEntry, draft: Draft) -> dict[str, Any]:
    return {
        "title": describe(entry.finding).name(draft.language),
        "probability": entry.probability,
        "decision": entry.decision.value,
        "decided": phrases(draft.language).decisions[entry.decision],
        "reason": reason_in(draft.language, entry.reason),
        "place": region_name(entry.region, draft.language) if entry.region else None,
        "side": entry.side.value if entry.side else None,
        "votes": [
            {
                "expert": vote.expert,
                "polarity": vote.polarity.value,
                "probability": vote.probability,
                "evidence": vote.evidence,
                "weight": vote.weight,
            }
            for vote in entry.votes
        ],
        "disagreements": [
            {"type": conflict.type.value, "detail": detail, "settled_by": settled_by}
            for conflict in entry.disagreements
            for detail, settled_by in [conflict_in(draft.language, conflict)]
        ],
        "regions": _masks_of(draft, entry.region),
    }


def _masks_of(draft: Draft, region: Region | None) -> list[str]:
    return [
        item.id
        for item in draft.evidence
        if isinstance(item, RegionMask) and region is not None and item.region is region
    ]


def _evidence(item: Evidence, language: Language) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": item.kind,
        "expert": item.expert,
        "version": item.version,
        "title": _title(item, language),
        "finding": item.finding.value if item.finding else None,
        "region": item.region.value if item.region else None,
        "probability": item.probability,
        "side": item.side.value if item.side else None,
        "box": list(item.box) if item.box else None,
        "text": item.text,
    }
    if isinstance(item, Classification):
        shown["thresholds"] = [item.sensitive_threshold, item.threshold, item.confident_threshold]
    if isinstance(item, Detection):
        shown["weak"] = item.weak
    if isinstance(item, RegionMask):
        shown["outlines"] = _outlines(item)
        shown["quality"] = item.quality
    if isinstance(item, MeasurementEvidence):
        shown["lines"] = [list(point) for point in item.landmarks]
        shown["measured"] = {
            "name": item.measurement.name,
            "value": item.measurement.value,
            "unit": item.measurement.unit,
            "provenance": item.measurement.provenance.value,
        }
    return shown


def _title(item: Evidence, language: Language) -> str:
    if isinstance(item, MeasurementEvidence):
        return measurement_name(item.measurement.name, language)
    if item.finding is not None:
        return describe(item.finding).name(language)
    return region_name(item.region, language) if item.region is not None else item.kind


def _outlines(item: RegionMask) -> list[list[tuple[float, float]]]:
    from imaging.masks import decode_mask, outline

    if item.mask is None:
        return []
    rings = []
    for ring in outline(decode_mask(item.mask)):
        step = max(1, len(ring) // _MOST_OUTLINE_POINTS)
        rings.append([(round(float(x), 1), round(float(y), 1)) for x, y in ring[::step]])
    return rings


_ASKED: Final = {
    Language.ENGLISH: ("Why {finding}?", "What did each expert say?", "How big is the heart?"),
    Language.SPANISH: (
        "¿Por qué {finding}?",
        "¿Qué dijo cada experto?",
        "¿Cuánto mide el corazón?",
    ),
}


def _suggested(draft: Draft) -> list[str]:
    """Questions that this draft has an answer to."""
    why, *others = _ASKED[draft.language]
    stated = [
        why.format(finding=describe(e.finding).name(draft.language))
        for e in draft.ledger
        if e.decision.value in ("present", "uncertain") and e.votes
    ]
    return [*stated[:2], *others]
