"""The real services: settings and a request in, everything the graph calls out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from agents.aggregator.backends import choose_backends, served_backend
from agents.aggregator.contract import SecondReader
from agents.reporter import LedgerReporter
from agents.services import Services
from agents.settings import Settings
from agents.similar_reports import ReportNeighbours
from agents.state import DraftRequest
from tools.contract import EndpointOptions, Expert, ExpertOptions, Role

NONE = "none"
"""The expert name that leaves a role empty."""


def wire(settings: Settings, request: DraftRequest) -> Services:
    """Services as the settings ask for them; nothing heavy is loaded before it is used.

    Raises `SettingsError` where an expert's name is unknown.
    """
    from imaging.gate import InputGate
    from imaging.loading import load_study

    limit_threads(settings.threads)
    backends, warnings = choose_backends(settings, request.aggregator, request.language)
    experts = chosen_experts(settings)
    return Services(
        load_study=load_study,
        gate=InputGate(),
        experts=experts,
        reporter=LedgerReporter(),
        neighbours=_neighbours(settings.index_dir, settings.cache_dir),
        backends=backends,
        backend_warnings=(*warnings, *notices(experts)),
        second_reader=second_reader(settings),
    )


def second_reader(settings: Settings) -> SecondReader | None:
    """The served model as a reader of what was written, where the settings ask for one."""
    if not settings.llm.second_reader:
        return None
    from agents.aggregator.prompt import load_reading_prompt
    from agents.aggregator.second_reader import ModelReader

    return ModelReader(served_backend(settings), load_reading_prompt())


def chosen_experts(settings: Settings) -> dict[Role, Expert]:
    """The expert that the settings name for each role, without its weights loaded."""
    from tools.registry import build

    names = {role: str(getattr(settings.experts, role.value)) for role in Role}
    return {
        role: build(role, name, settings.cache_dir, expert_options(settings, role))
        for role, name in names.items()
        if name != NONE
    }


def expert_options(settings: Settings, role: Role) -> ExpertOptions:
    """What the settings give the expert of a role besides its name."""
    return ExpertOptions(
        labels=getattr(settings.experts, f"{role.value}_labels", None),
        endpoint=EndpointOptions(**dict(settings.vision_language)),
        report_models=settings.experts.report_models,
    )


def notices(experts: Mapping[Role, Expert]) -> tuple[str, ...]:
    """What the reader of a draft must know of the experts in use, each said once."""
    said = (expert.card.notice for expert in experts.values())
    return tuple(dict.fromkeys(notice for notice in said if notice))


def limit_threads(threads: int) -> None:
    """Let networks use that many cores; 0: as many as there are."""
    if threads > 0:
        import torch

        torch.set_num_threads(threads)


@cache
def _neighbours(index_dir: Path, cache_dir: Path) -> ReportNeighbours:
    return ReportNeighbours(index_dir, cache_dir)
