"""An adapter's card: what it was tuned on and for, and the check that refuses it elsewhere.

An adapter is only worth something over the very base model, prompt and answer schema that it was
tuned with. The card carries the hash of each; whoever loads an adapter says what it is loaded for,
and a difference is refused by name instead of showing as bad text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import WeightsError
from findings.vocabulary import Language

CARD_FILE: Final = "adapter_card.json"
WEIGHTS_FILE: Final = "adapter_model.safetensors"
"""peft's name for the weights of an adapter."""
_MOST_BYTES: Final = 1 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Method(StrEnum):
    """How an adapter was tuned."""

    SFT = "sft"
    """On pairs of prompt and answer."""
    DPO = "dpo"
    """On preferred and rejected answers (Rafailov et al., NeurIPS 2023)."""


class AdapterMatch(Frozen):
    """What an adapter depends on: all of it must be the same where it is used."""

    base_model: str
    base_sha256: Sha256 = Field(description="of the base model's weights file")
    prompt: str = Field(description="file name of the prompt")
    prompt_version: str
    prompt_sha256: Sha256
    schema_version: str = Field(description="of the answers that the prompt asks for")
    schema_sha256: Sha256


class AdapterCard(Frozen):
    """The card of one adapter."""

    schema_: Literal["readingroom/adapter/1"] = Field(
        default="readingroom/adapter/1", alias="schema"
    )
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str
    licence: str
    method: Method
    languages: tuple[Language, ...]
    match: AdapterMatch
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    targets: tuple[str, ...] = Field(description="modules that carry an adapter")
    parameters: int = Field(ge=1)
    weights_sha256: Sha256 = Field(description=f"of {WEIGHTS_FILE}")
    data_sha256: Sha256 = Field(description="of the pairs that it was tuned on")
    command: str
    metrics: dict[str, float] = Field(default_factory=dict)


def answer_schema_sha256(schema: Mapping[str, Any]) -> str:
    """The hash of a JSON schema, however its keys are ordered."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_adapter_card(folder: Path, card: AdapterCard) -> Path:
    """Write the card beside the adapter's weights; returns its path."""
    path = folder / CARD_FILE
    path.write_text(card.model_dump_json(indent=2, by_alias=True) + "\n", encoding="utf-8")
    return path


def read_adapter_card(folder: Path) -> AdapterCard:
    """The card of the adapter in that folder.

    Raises `WeightsError` where there is none, it is damaged, or the weights beside it are others.
    """
    try:
        with (folder / CARD_FILE).open("rb") as file:
            card = AdapterCard.model_validate_json(file.read(_MOST_BYTES))
        with (folder / WEIGHTS_FILE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsError(
            f"The adapter has no {CARD_FILE} or no {WEIGHTS_FILE}, so nobody knows what it was "
            "tuned for. Make it with 'readingroom tune sft'."
        ) from error
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"The adapter's {CARD_FILE} cannot be read ({type(error).__name__}). Make the adapter "
            "again with 'readingroom tune sft'."
        ) from error
    if digest != card.weights_sha256:
        raise WeightsError(
            f"The adapter '{card.name}' does not have the weights that its card describes; it is "
            "damaged or was changed by hand. Make it again with 'readingroom tune sft'."
        )
    return card


def require_match(card: AdapterCard, wanted: AdapterMatch) -> None:
    """Refuse an adapter that was tuned with anything else. Raises `WeightsError` that names it."""
    made, used = card.match, wanted
    differing = [
        subject
        for subject, one, other in (
            (
                "base model",
                (made.base_model, made.base_sha256),
                (used.base_model, used.base_sha256),
            ),
            (
                "prompt",
                (made.prompt, made.prompt_version, made.prompt_sha256),
                (used.prompt, used.prompt_version, used.prompt_sha256),
            ),
            (
                "answer schema",
                (made.schema_version, made.schema_sha256),
                (used.schema_version, used.schema_sha256),
            ),
        )
        if one != other
    ]
    if differing:
        raise WeightsError(
            f"The adapter '{card.name}' {card.version} was tuned with another "
            f"{' and another '.join(differing)} than the one in use, so it is not loaded. Tune it "
            "again with 'readingroom tune sft', or use the base model and prompt it names."
        )
