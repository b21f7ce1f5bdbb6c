"""Label cells and closed label lists, turned into states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from findings.catalogue import ancestors
from findings.vocabulary import Finding
from models.datasets.record import LabelState

_CELLS: Final = {
    "1": LabelState.PRESENT,
    "1.0": LabelState.PRESENT,
    "present": LabelState.PRESENT,
    "yes": LabelState.PRESENT,
    "true": LabelState.PRESENT,
    "0": LabelState.ABSENT,
    "0.0": LabelState.ABSENT,
    "absent": LabelState.ABSENT,
    "no": LabelState.ABSENT,
    "false": LabelState.ABSENT,
    "-1": LabelState.UNCERTAIN,
    "-1.0": LabelState.UNCERTAIN,
    "uncertain": LabelState.UNCERTAIN,
    "": LabelState.UNKNOWN,
    "nan": LabelState.UNKNOWN,
    "unknown": LabelState.UNKNOWN,
}


def state_of(cell: str) -> LabelState | None:
    """The state that a cell means (1, 0, -1, blank, or a word); None where it means none."""
    return _CELLS.get(cell.strip().lower())


def stronger(first: LabelState, second: LabelState) -> LabelState:
    """What holds of a finding of which two labels speak: present before uncertain before absent."""
    for state in (LabelState.PRESENT, LabelState.UNCERTAIN, LabelState.ABSENT):
        if state in (first, second):
            return state
    return LabelState.UNKNOWN


def closed(asked: Iterable[Finding], present: Iterable[Finding]) -> dict[Finding, LabelState]:
    """States where everything seen is listed: what is asked about and not listed is absent.

    A finding that a listed one is a kind of is present with it.
    """
    listed = set(present)
    implied = {parent for finding in listed for parent in ancestors(finding)}
    wanted = set(asked) | listed
    return {
        finding: LabelState.PRESENT
        if finding in listed or finding in implied
        else LabelState.ABSENT
        for finding in sorted(wanted)
    }
