"""What every expert is and promises.

An expert looks at one study and returns evidence. It is built cheaply, loads its weights once on
first use, may be called from several threads, and raises `ExpertError` (never anything else) when
it cannot do its work on a study.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from pydantic import Field, SecretStr

from findings.claims import Frozen
from findings.evidence import Evidence
from imaging.study import Study


class Role(StrEnum):
    """The part an expert plays in the state machine."""

    CLASSIFIER = "classifier"
    DETECTOR = "detector"
    SEGMENTER = "segmenter"
    CLUES = "clues"
    CRUDE_REPORT = "crude_report"
    MEASURER = "measurer"
    PRIOR_COMPARER = "prior_comparer"
    VISION_LANGUAGE = "vision_language"


class ExpertCard(Frozen):
    """Who an expert is: printed by `doctor`, kept in every draft."""

    role: Role
    name: str
    version: str
    licence: str
    sha256: str | None = None
    needs: tuple[Role, ...] = ()
    """Roles whose evidence must be there before this expert runs."""
    uses: tuple[Role, ...] = ()
    """Roles whose evidence this expert takes where it is there, and can do without."""
    seconds: float = 0.0
    """Cost estimate: seconds per study on two CPU cores."""
    lacks: str = ""
    """Where it is not installed: what it lacks and how to get it, in one or two sentences."""
    notice: str = ""
    """What whoever uses it must know, for example that pixels leave this machine."""


class EndpointOptions(Frozen):
    """A vision-language model behind an OpenAI-compatible endpoint."""

    base_url: str = ""
    """Up to and including `/v1`; empty: none is configured."""
    model: str = ""
    api_key: SecretStr = SecretStr("none")
    timeout_seconds: float = Field(default=25.0, gt=0)
    """For one study, every try together."""
    allow_remote: bool = False
    """Whether de-identified pixels may be sent to another machine."""
    max_sentences: int = Field(default=20, ge=1, le=50)
    image_side: int = Field(default=1024, ge=128, le=2048)
    """Longest side, in pixels, of the picture that is sent."""


class ExpertOptions(Frozen):
    """What a configured expert is given besides its name."""

    labels: Path | None = None
    """A label map (TOML or JSON): what a model's own labels mean here."""
    endpoint: EndpointOptions = EndpointOptions()
    report_models: Path | None = None
    """Folder that holds a folder of weights for each report model (`tools.report_model`)."""


NO_OPTIONS: Final = ExpertOptions()


@dataclass(frozen=True)
class ExpertContext:
    """What an expert may use besides the study."""

    language: str = "en"
    seed: int = 0
    evidence: tuple[Evidence, ...] = field(default=())
    """Evidence of the roles named in `needs`, and of those named in `uses` that gave any."""


@runtime_checkable
class Expert(Protocol):
    """An expert tool. `run` numbers its evidence from E1; the graph renumbers the whole draft."""

    @property
    def card(self) -> ExpertCard:
        """Identity, licence, needs and cost; must not load weights."""
        ...

    def installed(self) -> bool:
        """Whether the expert's weights or service are there; must not load them."""
        ...

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """Look at the study's frontal image. Raises `ExpertError`."""
        ...


class FamilyFactory(Protocol):
    """Builds any expert of a family whose members share a prefix of their names."""

    def __call__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> Expert:
        """Make the expert of that name without loading weights. Raises `SettingsError`."""
        ...


class ExpertFactory(Protocol):
    """Builds an expert from where pulled weights live; registered under a role and a name."""

    def __call__(self, cache: Path) -> Expert:
        """Make the expert without loading weights."""
        ...
