"""The job: one expert asked about one study, outside a draft."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agents.drafting import refusal
from agents.numbering import numbered
from agents.settings import Settings
from agents.wiring import chosen_experts
from findings.errors import ExpertError, NotAChestRadiographError, UserInputError
from findings.evidence import Evidence
from imaging.study import GateDecision, Study
from tools.contract import Expert, ExpertCard, ExpertContext, Role

if TYPE_CHECKING:
    from tools.as_langchain import ExpertQuestion


class _Remembering:
    """An expert that looks at its study once and remembers what it saw."""

    def __init__(self, expert: Expert) -> None:
        self._expert = expert
        self._seen: tuple[Evidence, ...] | None = None
        self._turn = threading.Lock()

    @property
    def card(self) -> ExpertCard:
        return self._expert.card

    def installed(self) -> bool:
        return self._expert.installed()

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        with self._turn:
            if self._seen is None:
                self._seen = self._expert.run(study, context)
            return self._seen


class Consultation:
    """A study and the experts who may be asked about it; each runs on first need, and once."""

    def __init__(self, study: Study, experts: Mapping[Role, Expert]) -> None:
        self._study = study
        self._experts = {role: _Remembering(expert) for role, expert in experts.items()}

    def ask(self, role: Role, question: ExpertQuestion) -> str:
        """An expert's evidence as JSON; its ids count this expert's items alone.

        Raises:
            UserInputError: no such expert is installed.
            ExpertError: the expert failed on this study.
        """
        from langchain_core.tools import ToolException

        from tools.as_langchain import as_langchain

        expert = self._experts.get(role)
        if expert is None or not expert.installed():
            raise UserInputError(f"No {role.value.replace('_', ' ')} is installed here.")
        tool = as_langchain(expert, self._study, self._gather)
        assert tool.func is not None
        try:
            answer: str = tool.func(**question.model_dump())
        except ToolException as error:
            raise ExpertError(str(error)) from error
        return answer

    def _gather(self, roles: tuple[Role, ...]) -> tuple[Evidence, ...]:
        """The evidence of these roles, as far as they are installed and did not fail."""
        found: list[Evidence] = []
        for role in roles:
            expert = self._experts.get(role)
            if expert is None or not expert.installed():
                continue
            given = self._gather((*expert.card.needs, *expert.card.uses))
            try:
                found += expert.run(self._study, ExpertContext(evidence=given))
            except ExpertError:
                continue  # who asked for its help can do without, or says that it cannot
        return numbered(found)


def consult(path: Path, settings: Settings, prior: Path | None = None) -> Consultation:
    """Load a study for its experts. Raises `StudyError` where it is no frontal chest radiograph."""
    from imaging.gate import InputGate
    from imaging.loading import load_study

    study = load_study(path, prior=prior)
    result = InputGate().examine(study)
    if result.decision is GateDecision.REFUSE:
        raise NotAChestRadiographError(refusal(result))
    return Consultation(study, chosen_experts(settings))
