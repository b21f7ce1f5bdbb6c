"""Settings: one frozen object; defaults < readingroom.toml < environment < flags.

Environment variables are READINGROOM_<FIELD> (nested: READINGROOM_LLM__BASE_URL). The file is
`readingroom.toml` in the working directory, or the one named by READINGROOM_CONFIG: a path, or the
name of a pipeline that comes with the application (`agents/pipelines`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from findings.errors import SettingsError
from findings.vocabulary import Language

CONFIG_VARIABLE = "READINGROOM_CONFIG"
CONFIG_FILE = "readingroom.toml"
PIPELINES = Path(__file__).with_name("pipelines")
"""Settings files that come with the application: whole pipelines of papers, by name."""


def default_cache_dir() -> Path:
    """Where pulled weights and built indexes live: XDG cache, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "readingroom"


def default_data_dir() -> Path:
    """Where studies given to the room and their drafts live: XDG data, or ~/.local/share."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "readingroom"


def config_file() -> Path:
    """The settings file in force: the one named, by path or as a pipeline, or the usual one."""
    named = os.environ.get(CONFIG_VARIABLE, CONFIG_FILE)
    return PIPELINES / f"{named}.toml" if named in pipelines() else Path(named)


def pipelines() -> tuple[str, ...]:
    """The names of the pipelines that come with the application."""
    return tuple(sorted(path.stem for path in PIPELINES.glob("*.toml")))


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExpertSettings(_Group):
    """Which expert plays each role (`none` leaves a role empty), and how long it may take.

    The `_labels` are label map files: what the labels of a model of others mean here.
    """

    classifier: str = "embedded"
    detector: str = "embedded"
    segmenter: str = "embedded"
    clues: str = "embedded"
    crude_report: str = "embedded"
    measurer: str = "embedded"
    prior_comparer: str = "embedded"
    vision_language: str = "none"
    classifier_labels: Path | None = None
    segmenter_labels: Path | None = None
    report_models: Path | None = Field(
        default=None, description="folder that holds a folder of weights for each report model"
    )
    time_limit_seconds: float = Field(default=120.0, gt=0)


class LlmSettings(_Group):
    """The aggregator's back ends."""

    aggregator: Literal["embedded", "vllm", "phraser"] = "embedded"
    embedded_model: str = "smollm2-135m-instruct"
    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = "readingroom"
    converse: bool = Field(
        default=False,
        description="let the served model answer questions: it must be able to call tools",
    )
    adapter: str = Field(default="", description="of the server, by name; empty: its base model")
    served_prompt: str = Field(
        default="reword_served.toml",
        description="for a server that is not of this machine: the prompt that its model is for",
    )
    api_key: str = "none"
    timeout_seconds: float = Field(default=60.0, gt=0)
    connect_seconds: float = Field(default=2.0, gt=0)
    retries: int = Field(default=2, ge=0, le=5, description="of a request that failed in passing")
    server_environment: Path | None = Field(
        default=None, description="where 'make vllm' built the server; unset: .venv-vllm"
    )
    embedded_adapter: Path | None = Field(
        default=None, description="a GGUF file: an adapter of the embedded model, or a merged one"
    )
    embedded_seconds: float = Field(
        default=5.0, gt=0, description="time for rewording one draft; the rest stays as phrased"
    )
    max_repairs: int = Field(
        default=2, ge=0, le=5, description="how often a sentence that failed is tried again"
    )
    form: Literal["sentence", "report"] = Field(
        default="sentence",
        description="what a served model is given: one sentence at a time, or the whole report",
    )
    second_reader: bool = Field(
        default=False, description="whether the served model also reads back what was written"
    )


class VisionLanguageSettings(_Group):
    """The endpoint behind the experts named `vlm`: the only ones that pixels may be sent to."""

    base_url: str = ""
    model: str = ""
    api_key: SecretStr = SecretStr("none")
    timeout_seconds: float = Field(default=25.0, gt=0)
    allow_remote: bool = Field(
        default=False, description="whether de-identified pixels may leave this machine"
    )
    max_sentences: int = Field(default=20, ge=1, le=50)
    image_side: int = Field(default=1024, ge=128, le=2048)


class RetrievalSettings(_Group):
    """Similar prior reports."""

    enabled: bool = True
    neighbours: int = Field(default=5, ge=0, le=50)
    floor: float = Field(default=0.35, ge=-1, le=1)


class ApiSettings(_Group):
    """The HTTP interface."""

    keys: tuple[SecretStr, ...] = Field(
        default=(), description="who may ask; without any, this machine alone may"
    )
    requests_per_minute: int = Field(default=240, gt=0, description="for each key")
    drafts_at_once: int = Field(default=1, gt=0)
    drafts_waiting: int = Field(default=16, ge=0)


class Settings(BaseSettings):
    """Everything a person may set."""

    model_config = SettingsConfigDict(
        env_prefix="READINGROOM_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    cache_dir: Path = Field(default_factory=default_cache_dir)
    data_dir: Path = Field(default_factory=default_data_dir)
    language: Language = Language.ENGLISH
    seed: int = 0
    threads: int = Field(default=0, ge=0, description="0: as many as there are cores")
    checkpoint_days: int = Field(
        default=180, ge=1, description="threads of drafts and conversations are forgotten after"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    experts: ExpertSettings = ExpertSettings()
    llm: LlmSettings = LlmSettings()
    vision_language: VisionLanguageSettings = VisionLanguageSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    api: ApiSettings = ApiSettings()

    @property
    def index_dir(self) -> Path:
        """Where the retrieval index lives."""
        return self.cache_dir / "index"

    @property
    def checkpoint_file(self) -> Path:
        """The SQLite file of the state machine's checkpoints."""
        return self.cache_dir / "checkpoints.sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file over defaults."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file()))


def load_settings(**flags: Any) -> Settings:
    """Read settings; `flags` are what the command line gave (None: not given).

    Raises `SettingsError` with the offending key, never its value.
    """
    if CONFIG_VARIABLE in os.environ and not config_file().is_file():
        raise SettingsError(
            f"The settings file that {CONFIG_VARIABLE} names does not exist, nor is it one of the "
            f"pipelines {', '.join(pipelines())}. Correct the variable or remove it."
        )
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "extra_forbidden"
        why = "there is none of that name" if unknown else str(first["msg"])
        raise SettingsError(
            f"The setting '{key}' is not usable: {why}. Correct it where it was made: a flag, the "
            f"environment (READINGROOM_...) or {config_file()}."
        ) from None
    except ValueError as error:
        raise SettingsError(f"{CONFIG_FILE} cannot be read as TOML: {error}.") from None
