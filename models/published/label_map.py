"""Label maps: what a published model's own labels mean here, in a small TOML or JSON file.

A classifier's::

    activation = "sigmoid"                # or "softmax"; without it, what the model's config says
    [labels]
    "Pleural Effusion" = "pleural_effusion"
    "Cardiomegaly" = { finding = "cardiomegaly", threshold = 0.4, sensitive = 0.1, confident = 0.8 }

A segmenter's names a region for each label: `"lung_L" = "left_lung"`. Labels that are not listed
are not used.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from findings.claims import Frozen
from findings.errors import SettingsError
from findings.evidence import Probability
from findings.regions import Region
from findings.vocabulary import Finding

LARGEST: Final = 1 << 20
"""Bytes that a label map may have."""

Activation = Literal["sigmoid", "softmax"]


class FindingLabel(Frozen):
    """The finding that a label stands for, with operating points where they are known.

    Without them the finding is affirmed from 0.5 on, never denied and never called definite.
    """

    finding: Finding
    threshold: Probability = 0.5
    sensitive: Probability = 0.0
    confident: Probability = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.sensitive <= self.threshold <= self.confident:
            raise ValueError("sensitive, threshold and confident must not decrease")
        return self


class RegionLabel(Frozen):
    """The region that a label outlines."""

    region: Region


class FindingLabels(Frozen):
    """A classifier's label map."""

    activation: Activation | None = None
    labels: dict[str, FindingLabel] = Field(min_length=1)

    @field_validator("labels", mode="before")
    @classmethod
    def _short_form(cls, labels: object) -> object:
        return _spelled_out(labels, "finding")


class RegionLabels(Frozen):
    """A segmenter's label map; several labels may make up one region."""

    activation: Activation | None = None
    labels: dict[str, RegionLabel] = Field(min_length=1)

    @field_validator("labels", mode="before")
    @classmethod
    def _short_form(cls, labels: object) -> object:
        return _spelled_out(labels, "region")


Labels = TypeVar("Labels", FindingLabels, RegionLabels)


def read_label_map(file: Path, kind: type[Labels]) -> Labels:
    """Read a label map. Raises `SettingsError` saying which entry is wrong."""
    try:
        if file.stat().st_size > LARGEST:
            raise SettingsError("The label map is larger than 1 MiB. Shorten it.")
        text = file.read_text(encoding="utf-8")
        table = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        return kind.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(
            f"The label map cannot be used: '{where}': {first['msg']}. "
            "docs/stronger-experts.md shows what one looks like."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"The label map is no readable TOML or JSON ({type(error).__name__}). Correct it."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"The label map cannot be read ({type(error).__name__}). Correct its path."
        ) from error


def _spelled_out(labels: object, key: str) -> object:
    if not isinstance(labels, dict):
        return labels
    return {
        label: {key: meaning} if isinstance(meaning, str) else meaning
        for label, meaning in labels.items()
    }
