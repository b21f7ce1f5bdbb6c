"""An answer: its text, claims and evidence, and what to do with the picture or the report."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from agents.conversation.router import Intent
from findings.claims import Claim, Frozen
from findings.vocabulary import Language

RULES: Final = "rules"
SERVED: Final = "served"
OnWords = Callable[[str], None]
"""Takes what a model has written of its answer so far: not yet read back, so only to be shown as
such, and gone again where the model goes on to call a tool."""


class EditKind(StrEnum):
    """What a proposed edit does to the report."""

    REMOVE = "remove"
    ADD = "add"
    REPLACE = "replace"


class Edit(Frozen):
    """A change that a person asked for; it is proposed and never made by the conversation."""

    kind: EditKind
    sentence: str | None = None
    """Id of the sentence that it removes or replaces."""
    text: str
    claims: tuple[Claim, ...] = ()
    """What the labeler reads in a written sentence: the person's claims, not the image's."""
    notes: tuple[str, ...] = ()
    """What the edit would bring about, read back: contradictions, what is no longer said."""


class Answer(Frozen):
    """What the conversation says. Every claim in it is one of the draft's ledger."""

    text: str
    intent: Intent
    claims: tuple[Claim, ...] = ()
    evidence: tuple[str, ...] = ()
    in_scope: bool = True
    show: tuple[str, ...] = ()
    """Evidence to draw on the picture."""
    hide: tuple[str, ...] = ()
    edit: Edit | None = None
    writer: str = RULES
    """Who chose and worded it: `rules`, or `served` where a served language model did."""
    model: str = ""
    """The served model's name, where it is at work."""
    language: Language | None = None
    """In which it is worded."""
    note: str = ""
    """Why a served model's own answer does not stand here, where that is so."""
