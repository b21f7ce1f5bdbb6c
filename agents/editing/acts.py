"""Acts of a person on a draft's sentences, and the report that stands after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from findings.catalogue import is_a
from findings.claims import Claim, Frozen
from findings.labeler import label_report
from findings.vocabulary import Language
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.ledger import LedgerEntry

LONGEST_SENTENCE: Final = 1_000


class Act(StrEnum):
    """What was done."""

    ACCEPT = "accept"
    REJECT = "reject"
    REWORD = "reword"
    ADD = "add"
    RESTORE = "restore"
    """Back to the sentence as it was drafted, with no verdict on it."""
    TRANSLATE = "translate"
    """The report in the other language; what a person wrote stays in its own."""


class PersonAct(Frozen):
    """One act. `sentence` names the sentence it is about; `text` is what was written."""

    act: Act
    sentence: str | None = Field(default=None, pattern=r"^S[1-9][0-9]{0,3}$")
    text: str | None = Field(default=None, max_length=LONGEST_SENTENCE)
    section: SectionName | None = None
    language: Language | None = None
    time: str = ""
    """UTC, ISO 8601."""

    @field_validator("text")
    @classmethod
    def _one_printable_line(cls, text: str | None) -> str | None:
        if text is None:
            return None
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())

    @model_validator(mode="after")
    def _holds_what_the_act_needs(self) -> Self:
        writes = self.act in (Act.REWORD, Act.ADD)
        if writes and not self.text:
            raise ValueError("a sentence needs words")
        if self.act is Act.ADD and self.section is None:
            raise ValueError("an added sentence needs its section")
        if self.act is Act.TRANSLATE and self.language is None:
            raise ValueError("a translation needs its language")
        if self.act not in (Act.ADD, Act.TRANSLATE) and self.sentence is None:
            raise ValueError("the act needs its sentence")
        return self


class Standing(StrEnum):
    """Where a sentence stands with the person."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REWORDED = "reworded"
    ADDED = "added"


class Line(Frozen):
    """One sentence as it stands, and as it was drafted."""

    section: SectionName
    sentence: Sentence
    standing: Standing = Standing.OPEN
    drafted: str | None = None
    """The machine's words; `None` for a sentence that a person added."""
    language: Language


class EditedReport(Frozen):
    """The whole report after a person's acts; rejected sentences are listed and not in it."""

    language: Language
    lines: tuple[Line, ...] = ()

    def sections(self) -> tuple[Section, ...]:
        """The report's text: what was not rejected."""
        found: dict[SectionName, list[Sentence]] = {}
        for line in self.lines:
            kept = found.setdefault(line.section, [])
            if line.standing is not Standing.REJECTED:
                kept.append(line.sentence)
        return tuple(Section(name=name, sentences=tuple(own)) for name, own in found.items())

    @property
    def open(self) -> int:
        """How many sentences that state a finding have no verdict yet."""
        return sum(
            line.standing is Standing.OPEN and bool(line.sentence.claims) for line in self.lines
        )


def edited(
    versions: Mapping[Language, Sequence[Section]],
    language: Language,
    acts: Sequence[PersonAct],
    ledger: Sequence[LedgerEntry],
) -> EditedReport:
    """The report after `acts`, in order.

    `versions` are the machine's sections by language, the same sentence ids in each; `language`
    is the one it was drafted in. Acts on sentences that are not there change nothing.
    """
    spoken = next((a.language for a in reversed(acts) if a.act is Act.TRANSLATE), language)
    if spoken is None or spoken not in versions:
        spoken = language
    lines = {
        sentence.id: Line(
            section=section.name, sentence=sentence, drafted=sentence.text, language=spoken
        )
        for section in versions[spoken]
        for sentence in section.sentences
    }
    drafted = dict(lines)
    order = list(lines)
    now = language
    for act in acts:
        if act.act is Act.TRANSLATE:
            now = act.language or now
        elif act.act is Act.ADD and act.text and act.section:
            key = f"S{1 + max((int(k[1:]) for k in order), default=0)}"
            sentence = _written(Sentence(id=key, text=act.text), act.text, now, ledger)
            lines[key] = Line(
                section=act.section, sentence=sentence, standing=Standing.ADDED, language=now
            )
            order.insert(_end_of(act.section, order, lines), key)
        elif act.sentence in lines:
            lines[act.sentence] = _after(
                act, lines[act.sentence], drafted.get(act.sentence), now, ledger
            )
    return EditedReport(language=spoken, lines=tuple(lines[key] for key in order))


def _after(
    act: PersonAct,
    line: Line,
    drafted: Line | None,
    language: Language,
    ledger: Sequence[LedgerEntry],
) -> Line:
    if act.act is Act.RESTORE:
        return drafted or line.model_copy(update={"standing": Standing.ADDED})
    if act.act is Act.REWORD and act.text:
        if drafted is not None and act.text == drafted.sentence.text:
            return drafted.model_copy(update={"standing": Standing.ACCEPTED})
        standing = Standing.REWORDED if drafted is not None else Standing.ADDED
        sentence = _written(line.sentence, act.text, language, ledger)
        return line.model_copy(
            update={"sentence": sentence, "standing": standing, "language": language}
        )
    if act.act is Act.ACCEPT and line.standing in (Standing.OPEN, Standing.REJECTED):
        own = line.sentence.origin is Origin.PERSON
        written = Standing.REWORDED if drafted is not None else Standing.ADDED
        return line.model_copy(update={"standing": written if own else Standing.ACCEPTED})
    if act.act is Act.REJECT:
        return line.model_copy(update={"standing": Standing.REJECTED})
    return line


def _end_of(section: SectionName, order: Sequence[str], lines: Mapping[str, Line]) -> int:
    """Where a new sentence of the section goes: behind its last one."""
    names = list(SectionName)
    place = names.index(section)
    behind = [
        position
        for position, key in enumerate(order)
        if key in lines and names.index(lines[key].section) <= place
    ]
    return behind[-1] + 1 if behind else 0


def _written(
    sentence: Sentence, text: str, language: Language, ledger: Sequence[LedgerEntry]
) -> Sentence:
    """A person's sentence: claims as the labeler reads them, with the entries they are about."""
    claims = tuple(dict.fromkeys(c.without_span() for c in label_report(text, language)))
    about = [entry for entry in ledger if any(_bears_on(entry, claim) for claim in claims)]
    evidence = tuple(dict.fromkeys(key for entry in about for key in entry.evidence))
    return sentence.model_copy(
        update={
            "text": text,
            "claims": claims,
            "entries": tuple(entry.id for entry in about),
            "evidence": evidence,
            "origin": Origin.PERSON,
        }
    )


def _bears_on(entry: LedgerEntry, claim: Claim) -> bool:
    return is_a(entry.finding, claim.finding) or is_a(claim.finding, entry.finding)
