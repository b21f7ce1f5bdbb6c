"""What this installation has and lacks, and what to do about each lack."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from findings.claims import Frozen
from findings.errors import IndexUnavailableError, UserInputError, WeightsError

if TYPE_CHECKING:
    from agents.settings import Settings

MINIMUM_MEMORY_GIB = 4.0
GIB = 2**30


class Grade(StrEnum):
    """How a check came out."""

    GOOD = "good"
    LACKING = "lacking"
    """Something optional is not there: the draft goes on without it and says so."""
    BROKEN = "broken"
    """A draft cannot be made."""


class Check(Frozen):
    """One line of the check-up."""

    subject: str
    grade: Grade
    found: str
    advice: str = ""


def check_up(settings: Settings) -> tuple[Check, ...]:
    """Every check, in the order a person would read them."""
    return (
        _python(),
        *_packages(),
        _machine(),
        *_weights(settings.cache_dir),
        *_experts(settings),
        _language_model(settings),
        *_served_here(settings),
        _index(settings),
    )


def _python() -> Check:
    return Check(subject="Python", grade=Grade.GOOD, found=sys.version.split()[0])


def _packages() -> tuple[Check, ...]:
    """Each declared dependency against what is installed."""
    wrong: list[Check] = []
    declared = [Requirement(text) for text in requires("readingroom") or ()]
    needed = [one for one in declared if one.marker is None or one.marker.evaluate({"extra": ""})]
    for requirement in needed:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "not installed"
        if installed == "not installed" or not requirement.specifier.contains(
            installed, prereleases=True
        ):
            wrong.append(
                Check(
                    subject=f"package {requirement.name}",
                    grade=Grade.BROKEN,
                    found=installed,
                    advice=f"pip install '{requirement}'",
                )
            )
    if wrong:
        return tuple(wrong)
    return (Check(subject="packages", grade=Grade.GOOD, found=f"all {len(needed)} are here"),)


def _machine() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = _memory_gib()
    found = f"{cores} cores" + (f", {memory:.1f} GiB memory" if memory is not None else "")
    if memory is not None and memory < MINIMUM_MEMORY_GIB:
        return Check(
            subject="machine",
            grade=Grade.LACKING,
            found=found,
            advice=f"A draft wants {MINIMUM_MEMORY_GIB:.0f} GiB; use --aggregator phraser.",
        )
    return Check(subject="machine", grade=Grade.GOOD, found=found)


def _memory_gib() -> float | None:
    """Physical memory; `None` where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (AttributeError, OSError, ValueError):
        return None


def _weights(cache: Path) -> tuple[Check, ...]:
    from models.weights import ArtefactState, status

    checks: list[Check] = []
    offered: list[str] = []
    for one in status(cache, verify=True):
        artefact = one.artefact
        digest = f", sha256 {one.sha256[:12]}" if one.sha256 else ""
        found = f"{one.state.value}{digest}, {artefact.licence}"
        if one.state is ArtefactState.PRESENT:
            checks.append(Check(subject=f"weights {artefact.name}", grade=Grade.GOOD, found=found))
        elif artefact.offered and one.state is ArtefactState.ABSENT:
            offered.append(artefact.name)
        else:
            checks.append(
                Check(
                    subject=f"weights {artefact.name}",
                    grade=Grade.BROKEN if artefact.required else Grade.LACKING,
                    found=found,
                    advice=one.advice,
                )
            )
    if offered:
        checks.append(
            Check(
                subject="networks of others, on offer",
                grade=Grade.GOOD,
                found=f"not pulled: {', '.join(offered)}",
            )
        )
    return tuple(checks)


def _experts(settings: Settings) -> tuple[Check, ...]:
    from agents.wiring import NONE, expert_options
    from tools.contract import Role
    from tools.registry import build

    checks: list[Check] = []
    for role in Role:
        name: str = getattr(settings.experts, role.value)
        subject = f"expert {role.value}"
        if name == NONE:
            checks.append(Check(subject=subject, grade=Grade.GOOD, found="left out by setting"))
            continue
        try:
            expert = build(role, name, settings.cache_dir, expert_options(settings, role))
        except UserInputError as error:
            checks.append(
                Check(subject=subject, grade=Grade.BROKEN, found="wrong setting", advice=str(error))
            )
            continue
        card = expert.card
        if expert.installed():
            found = f"{card.name} {card.version}, {card.licence}"
            checks.append(Check(subject=subject, grade=Grade.GOOD, found=found, advice=card.notice))
        else:
            advice = "The draft goes on without it and says so."
            checks.append(
                Check(
                    subject=subject,
                    grade=Grade.LACKING,
                    found="not installed",
                    advice=f"{card.lacks} {advice}".strip(),
                )
            )
    return tuple(checks)


def _language_model(settings: Settings) -> Check:
    subject = f"language model ({settings.llm.aggregator})"
    if settings.llm.aggregator == "phraser":
        return Check(subject=subject, grade=Grade.GOOD, found="none needed: rules write the report")
    if settings.llm.aggregator == "vllm":
        return _server(subject, settings)
    from models.weights import locate

    try:
        model = locate(settings.llm.embedded_model, settings.cache_dir)
    except WeightsError as error:
        return Check(subject=subject, grade=Grade.LACKING, found="not here", advice=str(error))
    if settings.llm.embedded_adapter is not None:
        return _adapter(subject, settings.llm.embedded_adapter, model, settings)
    return Check(subject=subject, grade=Grade.GOOD, found=f"{settings.llm.embedded_model}, ready")


def _adapter(subject: str, file: Path, model: Path, settings: Settings) -> Check:
    from agents.aggregator.gguf import weights_of

    try:
        tuned = weights_of(file, model, settings.cache_dir)
    except (UserInputError, WeightsError) as error:
        return Check(
            subject=subject,
            grade=Grade.BROKEN,
            found="llm.embedded_adapter cannot be used",
            advice=str(error),
        )
    found = f"{settings.llm.embedded_model} with {tuned.name} {tuned.version}, for {tuned.prompt}"
    return Check(subject=subject, grade=Grade.GOOD, found=found)


def _served_here(settings: Settings) -> tuple[Check, ...]:
    """The server that `readingroom llm serve` runs on this machine, where it does."""
    from agents.serving.health import look
    from agents.serving.record import running_server

    record = running_server(settings.cache_dir)
    if record is None:
        return ()
    health = look(record.address, settings.llm.api_key)
    grade = Grade.GOOD if health.healthy else Grade.LACKING
    found = f"{record.address} on the {record.device.value.upper()} {health.summary}"
    return (Check(subject="server of this machine", grade=grade, found=found),)


def _server(subject: str, settings: Settings) -> Check:
    from agents.serving.health import look

    health = look(settings.llm.base_url, settings.llm.api_key)
    if health.healthy:
        return Check(subject=subject, grade=Grade.GOOD, found=health.summary)
    return Check(
        subject=subject,
        grade=Grade.LACKING,
        found=health.summary,
        advice="Start one with 'readingroom llm serve' or correct llm.base_url; drafts fall back "
        "to the embedded model, then to rules.",
    )


def _index(settings: Settings) -> Check:
    from retrieval.index import ReportIndex

    subject = "index of similar reports"
    try:
        info = ReportIndex.open(settings.index_dir, settings.cache_dir).info()
    except IndexUnavailableError as error:
        return Check(subject=subject, grade=Grade.LACKING, found="not here", advice=str(error))
    return Check(subject=subject, grade=Grade.GOOD, found=info.summary())
