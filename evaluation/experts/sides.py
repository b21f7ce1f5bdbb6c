"""Confusion of sides: where people boxed a finding, and which side the experts give for it.

The box's side is read off the picture alone (its halves), not off the segmenter's outlines, which
the experts' own sides rest on. A box that crosses the middle by a quarter of its width or more
counts as bilateral; hearts, tubes and lines have no side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from agents.reconciliation import reconcile
from evaluation.curves import SideConfusion, side_confusion
from evaluation.experts.readings import Film, Readings, Which, view_of, wanted
from evaluation.experts.votes import VOTERS, evidence_on
from findings.claims import Frozen
from findings.evidence import Clue, CrudeSentence, Detection, Evidence
from findings.vocabulary import Finding, Side
from models.data.box_sources import BoxRecord, read_boxes
from reporting.ledger import Decision

CROSSING = 0.25
_UNSIDED = frozenset(
    {
        Finding.CARDIOMEGALY,
        Finding.ENDOTRACHEAL_TUBE,
        Finding.NASOGASTRIC_TUBE,
        Finding.CENTRAL_VENOUS_CATHETER,
    }
)
_TABLES = {"nih": "nih/boxes.csv", "jsrt": "jsrt/nodules.csv", "gbseg": "gbseg/index.csv"}


class SideScore(Frozen):
    """The sides that each kind of evidence gives, and the reconciled ledger's."""

    films: int
    confusions: tuple[SideConfusion, ...]

    def markdown(self) -> list[str]:
        """The confusion as a table; the pictures show every cell."""
        lines = [
            "| who | boxed findings | side given | right of those | opposite side |",
            "|---|---|---|---|---|",
        ]
        for item in self.confusions:
            given = item.findings - sum(row.get("none", 0) for row in item.counts.values())
            right = sum(row.get(side.value, 0) for side, row in item.counts.items())
            lines.append(
                f"| {item.expert} | {item.findings} | {given} | {right} | {item.opposite} |"
            )
        return lines

    def draw(self, folder: Path) -> list[Path]:
        """The confusion tables as one picture."""
        from evaluation.figures import draw_sides

        return [draw_sides(self.confusions, folder / "experts-sides.png")]


def evaluate_sides(data: Path, split: Which, readings: Readings) -> SideScore | None:
    """Sides on every film with boxes; None without boxes or without experts that give sides."""
    records = [record for record in boxed_records(data, split) if _true_sides(record)]
    if not records or not any(readings.installed(role) for role in VOTERS):
        return None
    films = [Film(record.image, view_of(record.view)) for record in records]
    readings.prepare([role for role in VOTERS if readings.installed(role)], films)
    pairs: dict[str, list[tuple[Side, Side | None]]] = {name: [] for name in _WAYS}
    for record, film in zip(records, films, strict=True):
        evidence = evidence_on(readings, film)
        for finding, true in _true_sides(record).items():
            for name, give in _WAYS.items():
                pairs[name].append((true, give(evidence, finding)))
    confusions = [side_confusion(name, own) for name, own in pairs.items()]
    spoke = [
        item for item in confusions if any(set(row) != {"none"} for row in item.counts.values())
    ]
    return SideScore(films=len(records), confusions=tuple(spoke)) if spoke else None


def boxed_records(data: Path, split: Which) -> list[BoxRecord]:
    """The films of the split with boxes, of every source whose table of boxes is there."""
    there = tuple(source for source, table in _TABLES.items() if (data / table).is_file())
    return [r for r in read_boxes(data, there) if r.boxes and wanted(r.split, split)]


def _true_sides(record: BoxRecord) -> dict[Finding, Side]:
    sides: dict[Finding, set[Side]] = {}
    for drawn in record.boxes:
        if drawn.finding not in _UNSIDED:
            sides.setdefault(drawn.finding, set()).add(side_of_box(drawn.box))
    return {
        finding: found.pop() if len(found) == 1 else Side.BILATERAL
        for finding, found in sides.items()
    }


def side_of_box(box: tuple[float, float, float, float]) -> Side:
    """The patient's side of a box given as shares of the picture, whose right is the left."""
    x0, _, x1, _ = box
    beyond = (max(x1, 0.5) - max(x0, 0.5)) / (x1 - x0)
    if CROSSING <= beyond <= 1 - CROSSING:
        return Side.BILATERAL
    return Side.LEFT if beyond > 0.5 else Side.RIGHT


def _surest(items: Iterable[Detection | Clue], finding: Finding) -> Side | None:
    own = [item for item in items if item.finding is finding]
    return max(own, key=lambda item: item.probability).side if own else None


def _boxes(evidence: Sequence[Evidence], finding: Finding) -> Side | None:
    return _surest((item for item in evidence if isinstance(item, Detection)), finding)


def _clues(evidence: Sequence[Evidence], finding: Finding) -> Side | None:
    return _surest((item for item in evidence if isinstance(item, Clue)), finding)


def _sentences(evidence: Sequence[Evidence], finding: Finding) -> Side | None:
    return _joined(
        claim.side
        for item in evidence
        if isinstance(item, CrudeSentence)
        for claim in item.claims
        if claim.finding is finding and claim.present
    )


def _ledger(evidence: Sequence[Evidence], finding: Finding) -> Side | None:
    return _joined(
        entry.side
        for entry in reconcile(evidence).entries
        if entry.finding is finding and entry.decision in (Decision.PRESENT, Decision.UNCERTAIN)
    )


def _joined(sides: Iterable[Side | None]) -> Side | None:
    """One side; the left and the right together are bilateral."""
    named = {side for side in sides if side is not None}
    if len(named) > 1:
        return Side.BILATERAL
    return named.pop() if named else None


_WAYS: dict[str, Callable[[Sequence[Evidence], Finding], Side | None]] = {
    "detector": _boxes,
    "clues": _clues,
    "crude report": _sentences,
    "ledger": _ledger,
}
