"""Roles that the graph has a place for and no model fills yet. They say so; they invent nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from findings.errors import ExpertError
from findings.evidence import Evidence
from imaging.study import Study
from tools.contract import ExpertCard, ExpertContext, Role
from tools.embedded import LICENCE, EmbeddedExpert


class NotInstalledExpert(EmbeddedExpert):
    """An empty place: `installed()` is false and `run` raises `ExpertError`."""

    role: ClassVar[Role]
    name: ClassVar[str]
    needs: ClassVar[tuple[Role, ...]] = ()

    def __init__(self, cache: Path) -> None:
        """`cache` is where pulled weights would live."""

    @property
    def card(self) -> ExpertCard:
        """Identity of the place, with version `none`."""
        return ExpertCard(
            role=self.role, name=self.name, version="none", licence=LICENCE, needs=self.needs
        )

    def installed(self) -> bool:
        """Never: there is no model for this role."""
        return False

    def look(self, study: Study, context: ExpertContext) -> Iterable[Evidence]:
        """Raises `ExpertError`: there is nothing to look with."""
        raise ExpertError(f"The expert '{self.name}' has no model and states nothing.")
