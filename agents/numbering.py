"""Evidence ids: E1, E2, … over the whole draft, by role and not by who finished first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agents.state import ExpertOutput
from findings.evidence import Evidence
from tools.contract import Role


def numbered(evidence: Iterable[Evidence], start: int = 1) -> tuple[Evidence, ...]:
    """The same evidence in the same order, with ids from `E{start}` on."""
    return tuple(
        item.model_copy(update={"id": f"E{number}"})
        for number, item in enumerate(evidence, start=start)
    )


def gathered(outputs: Mapping[str, ExpertOutput]) -> tuple[Evidence, ...]:
    """All experts' evidence in the order of roles, numbered from E1."""
    return numbered(
        item for role in Role if role.value in outputs for item in outputs[role.value].evidence
    )
