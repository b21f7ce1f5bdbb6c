"""What the experts with a Hugging Face model share: identity, a label map, loading once."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Generic

from findings.errors import SettingsError
from models.fetching import file_sha256
from models.published.hub import HubModel
from models.published.label_map import Labels
from models.weights import fingerprint
from tools.contract import ExpertCard, ExpertOptions, Role
from tools.embedded import EmbeddedExpert, Model, Once


class HubExpert(EmbeddedExpert, Generic[Model, Labels]):
    """An expert named `hf:ORG/NAME` or `hf:/FOLDER`, with a label map of its own."""

    seconds: ClassVar[float] = 2.0

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """Raises `SettingsError` where the label map is missing or wrong."""
        if options.labels is None:
            raise SettingsError(
                f"A Hugging Face {role.value} needs a label map: set experts.{role.value}_labels "
                "to its file. docs/stronger-experts.md shows what one looks like."
            )
        self._role, self._hub = role, HubModel.named(name, cache)
        self._labels: Labels = self.read(options.labels)
        self._model: Once[Model] = Once(lambda: self.load(self._hub.located(), self._labels))

    @property
    def card(self) -> ExpertCard:
        """Identity as it was pulled; a folder's own files say who it is."""
        receipt = None if self._hub.local else self._hub.receipt()
        present = self.installed()
        return ExpertCard(
            role=self._role,
            name=self._hub.shown,
            version=(receipt.revision[:12] if receipt else "") or ("local" if present else "none"),
            licence=receipt.licence if receipt else "not stated",
            sha256=receipt.sha256 if receipt else _of_folder(self._hub.folder) if present else None,
            seconds=self.seconds,
            lacks=self._hub.lack(),
        )

    def installed(self) -> bool:
        """Whether the model lies here."""
        return not self._hub.lack()

    @abstractmethod
    def read(self, file: Path) -> Labels:
        """Read the label map. Raises `SettingsError`."""

    @abstractmethod
    def load(self, folder: Path, labels: Labels) -> Model:
        """Load the model; called once. Raises `WeightsError` or `SettingsError`."""


def _of_folder(folder: Path) -> str:
    """One checksum over a folder's weights, each hashed once in this process."""
    files = sorted(folder.glob("*.safetensors"))
    facts = [(file, file.stat()) for file in files]
    return fingerprint(
        tuple((f.name, _hashed(f, fact.st_mtime_ns, fact.st_size)) for f, fact in facts)
    )


@lru_cache(maxsize=64)
def _hashed(file: Path, _modified: int, _size: int) -> str:
    return file_sha256(file)
