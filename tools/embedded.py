"""What the experts that run in this process share: identity, loading once, failing in one way."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from findings.errors import ExpertError, ReadingRoomError
from findings.evidence import Evidence
from imaging.study import Study
from models.weights import SHIPPED_DIR
from tools.contract import ExpertCard, ExpertContext, Role

Model = TypeVar("Model")

VERSION: Final = "1"
"""Version of experts that are rules, not networks."""
LICENCE: Final = "Apache-2.0"


class ShippedNetwork(BaseModel):
    """What a shipped network's `config.json` says about itself, read without loading it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str
    licence: str
    weights_sha256: str

    @classmethod
    def read(cls, folder: str, root: Path = SHIPPED_DIR) -> ShippedNetwork | None:
        """The network in that folder of `root`; `None` where it is absent or unreadable."""
        try:
            config = json.loads((root / folder / "config.json").read_bytes())
            found = cls.model_validate(config)
        except (OSError, ValueError, ValidationError):
            return None
        return found if (root / folder / "model.safetensors").is_file() else None


class Once(Generic[Model]):
    """A value that is made on first use, once, whichever thread comes first."""

    def __init__(self, make: Callable[[], Model]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Model] = []

    def get(self) -> Model:
        """The value. What `make` raises is raised again, and the next call tries anew."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


class EmbeddedExpert(ABC):
    """An expert in this process. Subclasses say who they are and how they look at a study."""

    @property
    @abstractmethod
    def card(self) -> ExpertCard:
        """Identity, licence, needs and cost; loads no weights."""

    @abstractmethod
    def installed(self) -> bool:
        """Whether the weights are there; loads none."""

    @abstractmethod
    def look(self, study: Study, context: ExpertContext) -> Iterable[Evidence]:
        """State the evidence. Any error is turned into `ExpertError` by `run`."""

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """Look at the study's frontal image. Raises `ExpertError`."""
        role = self.card.role.value.replace("_", " ")
        if not self.installed():
            lacks = self.card.lacks or "'readingroom doctor' says which experts there are."
            raise ExpertError(
                f"The {role} '{self.card.name}' is not installed, so the draft has no evidence "
                f"of it. {lacks}"
            )
        try:
            return tuple(self.look(study, context))
        except ExpertError:
            raise
        except ReadingRoomError as error:
            raise ExpertError(f"The {role} could not look at this study: {error}") from error
        except Exception as error:
            raise ExpertError(
                f"The {role} failed on this study ({type(error).__name__}), so the draft has no "
                "evidence of it. Run again with --debug to see where."
            ) from error


class NetworkExpert(EmbeddedExpert, Generic[Model]):
    """An expert that looks with a network shipped in `models/shipped/`."""

    role: ClassVar[Role]
    folder: ClassVar[str]
    seconds: ClassVar[float]
    uses: ClassVar[tuple[Role, ...]] = ()
    home: Path | None = None
    """A folder that training left, in place of the shipped network's."""

    def __init__(self, cache: Path, model: Model | None = None) -> None:
        """`cache` is where pulled weights live (unused: these ship with the application)."""
        self._given = model
        self._model: Once[Model] = Once(self.load if model is None else lambda: model)

    @property
    def card(self) -> ExpertCard:
        """Identity as the shipped configuration states it."""
        shipped = self._found()
        return ExpertCard(
            role=self.role,
            name=shipped.name if shipped else self.folder.replace("_", "-"),
            version=shipped.version if shipped else "none",
            licence=shipped.licence if shipped else LICENCE,
            sha256=shipped.weights_sha256 if shipped else None,
            uses=self.uses,
            seconds=self.seconds,
        )

    def installed(self) -> bool:
        """Whether the weights are in place."""
        return self._given is not None or self._found() is not None

    @abstractmethod
    def load(self) -> Model:
        """Load the network of `home`, or the shipped one; called once. Raises `WeightsError`."""

    def _found(self) -> ShippedNetwork | None:
        if self.home is None:
            return ShippedNetwork.read(self.folder)
        return ShippedNetwork.read(self.home.name, self.home.parent)


def evidence_ids() -> Iterator[str]:
    """E1, E2, …"""
    return (f"E{number}" for number in count(1))
