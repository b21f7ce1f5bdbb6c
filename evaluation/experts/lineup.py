"""Which experts are under test: those that ship, or those that the settings choose."""

from __future__ import annotations

from pathlib import Path

from findings.claims import Frozen
from tools.contract import Expert, Role

_APART = (Role.PRIOR_COMPARER, Role.VISION_LANGUAGE)
"""They look at more than one film, or elsewhere."""


class Lineup(Frozen):
    """Roles, and where their experts are named; another process can build the same ones."""

    roles: tuple[Role, ...] = tuple(role for role in Role if role not in _APART)
    from_settings: bool = False

    @classmethod
    def shipped(cls) -> Lineup:
        """The experts that ship with the application."""
        return cls()

    @classmethod
    def chosen(cls) -> Lineup:
        """The experts that the settings in force choose."""
        return cls(from_settings=True)

    def build(self) -> dict[Role, Expert]:
        """The experts by role, without weights loaded; a role that is left empty is left out.

        Raises:
            SettingsError: the settings cannot be used or name an expert that does not exist.
        """
        if self.from_settings:
            from agents.settings import load_settings
            from agents.wiring import chosen_experts

            experts = chosen_experts(load_settings())
            return {role: experts[role] for role in self.roles if role in experts}
        from tools.registry import EMBEDDED, build

        return {role: build(role, EMBEDDED, Path()) for role in self.roles}
