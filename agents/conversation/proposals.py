"""Changes to the report that a person asks for: proposed and read back, and made by them alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agents.conversation.answer import Answer, Edit, EditKind
from agents.conversation.phrases import phrases
from agents.conversation.report_answers import meant_sentences
from agents.conversation.router import Question
from agents.editing import Act, EditBook, PersonAct
from findings.catalogue import is_a
from findings.evidence import PriorFinding
from findings.labeler import label_report
from findings.vocabulary import Certainty, Finding, Language, Severity
from reporting.draft import Draft, SectionName, Sentence
from reporting.ledger import Decision, LedgerEntry
from reporting.suggestions import state, with_side

_POLITE: Final = (
    r"(?:please,? |can you |could you |would you |i want (?:you )?to |i would like (?:you )?to "
    r"|por favor,? |puedes |podr[ií]as |quiero que )*"
)
_ADDED: Final = re.compile(
    rf"(?i)^{_POLITE}(add|append|insert|include|put in|añad\w*|agreg\w*|incluy\w*|escrib\w*"
    r"|anot\w*)( that| que)?( there (is|are)| hay)?\s*:?\s*"
)
_REMOVES: Final = re.compile(
    r"(?i)\b(remove|delete|drop|erase|take|strike|scratch|omit|leave|get rid|cut|artefact|artifact"
    r"|disagree|agree|believe|buy|quit\w*|qu[ií]t\w*|elim\w*|elimín\w*|b[oó]rr\w*|suprim\w*"
    r"|supr[ií]m\w*|om[ií]t\w*|ret[ií]r\w*|s[aá]c\w*|t[aá]ch\w*|acuerdo)\b"
)
_QUOTED: Final = re.compile(
    r"[\"“«']([^\"”»']{1,200})[\"”»']\s+(?:by|with|to|por|con|a)\s+[\"“«']([^\"”»']{1,200})[\"”»']"
)
_SEVERITIES: Final = {
    Severity.MILD: ("mild", "small", "minimal", "tiny", "leve", "pequen"),
    Severity.MODERATE: ("moderate", "moderad"),
    Severity.SEVERE: ("large", "severe", "massive", "grande", "sever", "grave", "masiv"),
}


def change(draft: Draft, question: Question) -> Answer:
    """A proposed edit. The conversation never makes it: a person accepts it or does not."""
    edit = _added(question) or _changed(draft, question)
    said = phrases(question.language)
    if edit is None:
        return Answer(text=said.say("nothing_to_change"), intent=question.intent)
    edit = edit.model_copy(update={"notes": read_back_edit(draft, edit, question.language)})
    key = {
        EditKind.ADD: "addition",
        EditKind.REMOVE: "removal",
        EditKind.REPLACE: "replacement",
    }[edit.kind]
    lines = [said.say(key, id=edit.sentence or "", text=edit.text)]
    others = [
        s.id for s in meant_sentences(draft, question) if s.id != edit.sentence and edit.sentence
    ]
    if others and question.sentence is None:
        lines.append(said.say("also_in", ids=", ".join(others)))
    if edit.notes:
        lines.append(said.say("rechecked", notes=" ".join(edit.notes)))
    evidence = next((s.evidence for s in draft.sentences() if s.id == edit.sentence), ())
    return Answer(text=" ".join(lines), intent=question.intent, evidence=evidence, edit=edit)


def person_act(edit: Edit) -> PersonAct:
    """The act on the report that accepting a proposed edit is."""
    if edit.kind is EditKind.ADD:
        return PersonAct(act=Act.ADD, text=edit.text, section=SectionName.FINDINGS)
    if edit.kind is EditKind.REMOVE:
        return PersonAct(act=Act.REJECT, sentence=edit.sentence)
    return PersonAct(act=Act.REWORD, sentence=edit.sentence, text=edit.text)


def read_back_edit(draft: Draft, edit: Edit, language: Language) -> tuple[str, ...]:
    """What the report would say against the evidence and itself, were the edit made.

    Told in `language`, which need not be the report's.
    """
    if edit.sentence is not None and re.fullmatch(r"S[1-9]\d{0,3}", edit.sentence) is None:
        return ()
    book = EditBook(
        language=draft.language, status=draft.status, versions={draft.language: draft.sections}
    )
    notes = book.tried(draft, person_act(edit), has_prior(draft), language)
    return tuple(
        f"{note.text} [{', '.join(note.evidence)}]" if note.evidence else note.text
        for note in notes
    )


def has_prior(draft: Draft) -> bool:
    """Whether a prior study took part in the draft."""
    return any(isinstance(item, PriorFinding) for item in draft.evidence)


def _added(question: Question) -> Edit | None:
    found = _ADDED.match(question.text)
    text = question.text[found.end() :].strip().rstrip(".") if found else ""
    if not text:
        return None
    return _written(EditKind.ADD, None, text[:1].upper() + text[1:], question.language)


def _changed(draft: Draft, question: Question) -> Edit | None:
    sentences = meant_sentences(draft, question)
    if not sentences:
        return None
    sentence = sentences[0]
    text = _requoted(sentence, question) or _turned(sentence, question)
    text = text or _restated(draft, sentence, question)
    removes = _REMOVES.search(question.text) is not None
    if text is None and removes:
        text = _without(draft, sentence, question)
    if text is not None:
        return _written(EditKind.REPLACE, sentence.id, text.rstrip("."), draft.language)
    if not removes:
        return None
    return Edit(kind=EditKind.REMOVE, sentence=sentence.id, text=sentence.text)


def _written(kind: EditKind, sentence: str | None, text: str, language: Language) -> Edit:
    claims = tuple(claim.without_span() for claim in label_report(text, language))
    return Edit(kind=kind, sentence=sentence, text=f"{text}.", claims=claims)


def _requoted(sentence: Sentence, question: Question) -> str | None:
    """The sentence with one quoted wording put for another."""
    quoted = _QUOTED.search(question.text)
    if quoted is None or quoted[1].lower() not in sentence.text.lower():
        return None
    return re.sub(re.escape(quoted[1]), lambda _: quoted[2], sentence.text, flags=re.I)


def _turned(sentence: Sentence, question: Question) -> str | None:
    """The sentence on the side that the person names."""
    if question.side is None:
        return None
    sides = [claim.side for claim in sentence.claims if claim.side is not None]
    turned = (with_side(sentence.text, side, question.side) for side in sides)
    return next((text for text in turned if text is not None), None)


def _restated(draft: Draft, sentence: Sentence, question: Question) -> str | None:
    """The sentence with its finding stated as the person has it: severity, side, and present."""
    words = question.text.lower()
    grade = next(
        (grade for grade, names in _SEVERITIES.items() if any(n in words for n in names)), None
    )
    about = _entries(draft, sentence, question.finding)
    if question.finding is None and question.sentence is None:
        return None
    if len(about) != 1 or (grade is None and question.side is None):
        return None
    changed = {
        "decision": Decision.PRESENT,
        "certainty": Certainty.DEFINITE,
        "severity": grade or about[0].severity,
        "side": question.side or about[0].side,
        # The measured number speaks for what the person does not want.
        "measurement": None,
    }
    kept = [e for e in _entries(draft, sentence) if e is not about[0]]
    return _told(draft, [about[0].model_copy(update=changed), *kept])


def _without(draft: Draft, sentence: Sentence, question: Question) -> str | None:
    """What is left of a sentence that states more than the finding to be removed."""
    asked = question.finding
    if asked is None or question.sentence is not None:
        return None
    kept = [e for e in _entries(draft, sentence) if not _related(e.finding, asked)]
    if not kept or len(kept) == len(_entries(draft, sentence)):
        return None
    return _told(draft, kept)


def _told(draft: Draft, entries: Sequence[LedgerEntry]) -> str | None:
    """Entries in the phraser's words."""
    told = (state(entry, draft.language) for entry in entries)
    return " ".join(dict.fromkeys(text for text in told if text)) or None


def _entries(
    draft: Draft, sentence: Sentence, finding: Finding | None = None
) -> Sequence[LedgerEntry]:
    return [
        entry
        for entry in draft.ledger
        if entry.id in sentence.entries and (finding is None or _related(entry.finding, finding))
    ]


def _related(one: Finding, other: Finding) -> bool:
    return is_a(one, other) or is_a(other, one)
