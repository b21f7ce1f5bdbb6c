"""What the experts with pulled weights share: who they are and whether they are here."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Generic

from models.weights import ArtefactState, locate, status_of
from tools.contract import ExpertCard, ExpertOptions, Role
from tools.embedded import EmbeddedExpert, Model, Once


class PulledExpert(EmbeddedExpert, Generic[Model]):
    """An expert whose weights are an artefact of its own name in the manifest."""

    seconds: ClassVar[float]

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """`cache` is where pulled weights live. Raises `UserInputError` for an unknown name."""
        self._role, self._name, self._cache, self._options = role, name, cache, options
        status_of(name, cache)
        self._model: Once[Model] = Once(lambda: self.load(locate(name, cache)))

    @property
    def card(self) -> ExpertCard:
        """Identity as the manifest states it, with the checksum of what lies here."""
        status = status_of(self._name, self._cache)
        artefact = status.artefact
        return ExpertCard(
            role=self._role,
            name=artefact.name,
            version=artefact.version if status.present else "none",
            licence=artefact.licence,
            sha256=status.sha256 or None,
            seconds=self.seconds,
            lacks=self.lack(),
        )

    def lack(self) -> str:
        """What is not here and how to get it; empty where nothing lacks."""
        status = status_of(self._name, self._cache)
        if status.state is ArtefactState.ABSENT:
            return f"Not pulled. {status.advice}"
        return "" if status.present else f"Its weights are {status.state.value}. {status.advice}"

    def installed(self) -> bool:
        """Whether weights and code are in place."""
        return not self.lack()

    @abstractmethod
    def load(self, file: Path) -> Model:
        """Load the pulled weights; called once, on first use. Raises `WeightsError`."""
