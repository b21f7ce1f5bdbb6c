"""An answer: its text, claims and evidence, and what to do with the picture or the report."""

from __future__ import annotations

from enum import StrEnum

from agents.conversation.router import Intent
from findings.claims import Claim, Frozen


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
    """What the labeler reads in an added sentence: the person's claims, not the image's."""


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
    writer: str = "rules"
    """Who chose and worded it; rules, where no language model took part."""
