"""A second reader: the served model lists what a finished sentence claims, without its ledger.

It is off unless `llm.second_reader` is set. It is heard on findings, polarity and side only, and
can only object: what the labeler refuses is refused whatever it says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import ValidationError

from agents.aggregator.prompt import ReadingPrompt
from findings.claims import Claim, Frozen
from findings.errors import BackendError
from findings.vocabulary import Finding, Language, Polarity, Side
from reporting.draft import ModelUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

MAX_CLAIMS: Final = 60
NO_SIDE: Final = "none"
_SIDES: Final = (Side.LEFT, Side.RIGHT, Side.BILATERAL)


class Answering(Protocol):
    """A model that answers messages under a JSON schema (`agents.aggregator.chat_backend`)."""

    @property
    def model(self) -> ModelUse:
        """The language model behind it."""
        ...

    def answer(
        self,
        messages: Sequence[BaseMessage],
        response_format: dict[str, Any],
        *,
        max_tokens: int,
        seed: int,
        seconds: float,
    ) -> str:
        """The raw answer. Raises `BackendError`."""
        ...


class _ReadClaim(Frozen):
    finding: Finding
    polarity: Polarity
    side: str

    def claim(self) -> Claim:
        side = None if self.side == NO_SIDE else Side(self.side)
        return Claim(finding=self.finding, polarity=self.polarity, side=side)


class ModelReader:
    """Reads claims with a language model."""

    def __init__(self, backend: Answering, prompt: ReadingPrompt) -> None:
        self._backend, self._prompt = backend, prompt

    @property
    def model(self) -> ModelUse:
        """The language model behind it, in this role."""
        return self._backend.model.model_copy(update={"role": "second_reader"})

    def read(self, text: str, language: Language, seconds: float) -> tuple[Claim, ...]:
        """What the sentence claims. Raises `BackendError` where no usable answer comes."""
        answer = self._backend.answer(
            self._prompt.messages(text, language),
            claims_format(),
            max_tokens=self._prompt.max_tokens,
            seed=0,
            seconds=seconds,
        )
        try:
            given = json.loads(answer)["claims"]
            return tuple(_ReadClaim.model_validate(one).claim() for one in given[:MAX_CLAIMS])
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
            raise BackendError(
                f"The second reader's answer is not of its form ({type(error).__name__}). "
                "Serve a more capable model or switch llm.second_reader off."
            ) from error


def claims_format() -> dict[str, Any]:
    """The schema that the answer is held to: terms of the vocabulary as enumerations."""
    properties = {
        "finding": {"type": "string", "enum": [finding.value for finding in Finding]},
        "polarity": {"type": "string", "enum": [polarity.value for polarity in Polarity]},
        "side": {"type": "string", "enum": [NO_SIDE, *(side.value for side in _SIDES)]},
    }
    claim = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {
            "name": "claims",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"claims": {"type": "array", "maxItems": MAX_CLAIMS, "items": claim}},
                "required": ["claims"],
                "additionalProperties": False,
            },
        },
    }
