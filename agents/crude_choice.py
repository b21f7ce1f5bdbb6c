"""Choosing by name who writes a draft's crude report."""

from __future__ import annotations

from agents.settings import Settings
from agents.wiring import NONE, chosen_experts
from findings.errors import WeightsError
from tools.contract import Role
from tools.report_model import PREFIX, known_names


def with_crude_report(settings: Settings, name: str) -> Settings:
    """The settings with that crude-report expert: one of the papers' report models, or any other.

    Raises:
        SettingsError: no expert has that name.
        WeightsError: it was asked for by name and is not here; the message says how to get it.
    """
    full = f"{PREFIX}{name}" if f"{PREFIX}{name.partition(':')[0]}" in known_names() else name
    experts = settings.experts.model_copy(update={"crude_report": full})
    chosen = settings.model_copy(update={"experts": experts})
    if full == NONE:
        return chosen
    expert = chosen_experts(chosen)[Role.CRUDE_REPORT]
    if not expert.installed():
        raise WeightsError(
            expert.card.lacks or f"The crude-report expert '{name}' is not installed; see doctor."
        )
    return chosen
