"""Answers about one finding: whether it is there, where, how sure, why, and who said what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agents.conversation.answer import Answer
from agents.conversation.phrases import Phrases, phrases
from agents.conversation.router import Intent, Question
from findings.catalogue import describe, is_a, region_name
from findings.evidence import Classification, Detection, Evidence
from findings.vocabulary import Finding, Polarity, Side
from reporting.conflicts import conflicts_in
from reporting.draft import Draft
from reporting.ledger import Decision, LedgerEntry
from reporting.remarks import reason_in
from reporting.suggestions import state

_NEAREST: Final = {
    Finding.SCARRING: Finding.FIBROSIS,
    Finding.HYPERINFLATION: Finding.EMPHYSEMA,
    Finding.LOBAR_COLLAPSE: Finding.ATELECTASIS,
    Finding.AIRSPACE_OPACITY: Finding.CONSOLIDATION,
    Finding.HEART_FAILURE: Finding.EDEMA,
    Finding.VASCULAR_CONGESTION: Finding.EDEMA,
    Finding.LUNG_TUMOR: Finding.MASS,
}
"""What is told instead where no expert judges a finding; neither answers for the other."""
STATED = (Decision.PRESENT, Decision.UNCERTAIN)


def name(finding: Finding, question: Question) -> str:
    """The finding's name in the question's language."""
    return describe(finding).name(question.language)


def entries_on(draft: Draft, finding: Finding) -> tuple[LedgerEntry, ...]:
    """What the ledger says of a finding: of itself, else of its kinds, else of wider ones.

    A wider finding speaks for a narrower one only by denying it.
    """
    own = tuple(e for e in draft.ledger if e.finding is finding)
    if own:
        return own
    kinds = tuple(e for e in draft.ledger if is_a(e.finding, finding))
    if kinds:
        stated = tuple(e for e in kinds if e.decision in STATED)
        return stated or kinds
    return tuple(
        e for e in draft.ledger if is_a(finding, e.finding) and e.decision is Decision.ABSENT
    )


def about(draft: Draft, question: Question) -> Answer:
    """Answer a question about a finding; asks back where none is named."""
    said = phrases(question.language)
    if question.finding is None:
        return ask_back(draft, question)
    entries = entries_on(draft, question.finding)
    if not entries:
        text = said.say("not_judged", finding=name(question.finding, question))
        near = _NEAREST.get(question.finding)
        if near is None or not entries_on(draft, near):
            return Answer(text=text, intent=question.intent)
        told = about(draft, question.model_copy(update={"finding": near}))
        nearest = said.say("nearest", finding=name(near, question), answer=told.text)
        return told.model_copy(update={"text": f"{text} {nearest}"})
    tell = {
        Intent.PRESENCE: _presence,
        Intent.LOCATION: _location,
        Intent.CERTAINTY: _certainty,
        Intent.REASON: _reason,
        Intent.EXPERTS: _reason,
    }[question.intent]
    return tell(draft, question, entries, said)


def ask_back(draft: Draft, question: Question) -> Answer:
    """Which finding is meant? With those that the report states."""
    said = phrases(question.language)
    stated = [e for e in draft.ledger if e.decision in STATED]
    known = (
        said.say("known", findings=", ".join(name(e.finding, question) for e in stated))
        if stated
        else said.say("known_nothing")
    )
    return Answer(text=said.say("nothing_asked", known=known), intent=question.intent)


def _presence(
    draft: Draft, question: Question, entries: Sequence[LedgerEntry], said: Phrases
) -> Answer:
    stated = [e for e in entries if e.decision in STATED]
    if question.side in (Side.LEFT, Side.RIGHT) and stated:
        there = [e for e in stated if e.side in (question.side, Side.BILATERAL)]
        placed = [e for e in stated if e.side in (Side.LEFT, Side.RIGHT)]
        if not there and placed:
            return answer_from(
                question,
                placed,
                said.say(
                    "other_side",
                    asked=said.words[question.side],
                    found=said.words[placed[0].side or Side.LEFT],
                    finding=name(placed[0].finding, question),
                    probability=_percent(placed[0]),
                ),
            )
        stated = there or stated
    lines = [_stated(entry, question, said) for entry in (stated or entries)]
    if stated and question.side in (Side.LEFT, Side.RIGHT) and stated[0].side is None:
        lines.append(said.say("side_unknown", finding=name(stated[0].finding, question)))
    return answer_from(question, stated or entries, " ".join(dict.fromkeys(lines)))


def _stated(entry: LedgerEntry, question: Question, said: Phrases) -> str:
    if entry.decision is Decision.ABSTAIN:
        return said.say(
            "undecided", finding=name(entry.finding, question), probability=_percent(entry)
        )
    sentence = state(entry, question.language) or name(entry.finding, question)
    return said.say(
        "absent" if entry.decision is Decision.ABSENT else "present",
        certainty=said.text[entry.certainty],
        sentence=_lowered(sentence.rstrip(".")),
        probability=_percent(entry),
    )


def _location(
    draft: Draft, question: Question, entries: Sequence[LedgerEntry], said: Phrases
) -> Answer:
    stated = [e for e in entries if e.decision in STATED]
    if not stated:
        text = said.say("nowhere", finding=name(entries[0].finding, question))
        return answer_from(question, entries, text)
    boxes = boxes_of(draft, [e.finding for e in stated])
    lines = []
    for entry in stated:
        places = [region_name(entry.region, question.language)] if entry.region else []
        if entry.side is not None:
            places.append(said.words[entry.side])
        key, place = ("where", ", ".join(places)) if places else ("no_place", "")
        lines.append(said.say(key, finding=_raised(name(entry.finding, question)), place=place))
    answer = answer_from(question, stated, " ".join(dict.fromkeys(lines)))
    return answer.model_copy(update={"show": tuple(box.id for box in boxes)})


def boxes_of(draft: Draft, findings: Iterable[Finding]) -> tuple[Detection, ...]:
    """The boxes that the detector gave for these findings."""
    wanted = set(findings)
    return tuple(e for e in draft.evidence if isinstance(e, Detection) and e.finding in wanted)


def _certainty(
    draft: Draft, question: Question, entries: Sequence[LedgerEntry], said: Phrases
) -> Answer:
    lines = [
        said.say(
            "sure",
            finding=_raised(name(entry.finding, question)),
            probability=_percent(entry),
            decision=said.decisions[entry.decision],
            detail=" ".join(_operating(item) for item in _of(draft, entry)),
        )
        for entry in entries
    ]
    return answer_from(question, entries, " ".join(lines))


def _operating(item: Evidence) -> str:
    if not isinstance(item, Classification):
        return ""
    return (
        f"[{item.id}] {item.expert}: {item.probability:.2f} "
        f"({item.sensitive_threshold:.2f} / {item.threshold:.2f} / {item.confident_threshold:.2f})."
    )


def _reason(
    draft: Draft, question: Question, entries: Sequence[LedgerEntry], said: Phrases
) -> Answer:
    lines = [
        said.say(
            "because",
            reason=reason_in(question.language, entry.reason),
            votes=f"{votes(entry, said)}.",
        )
        for entry in entries
    ]
    conflicts = conflicts_in(question.language, entries)
    if conflicts:
        lines.append(said.say("disagreements", lines=" ".join(conflicts)))
    return answer_from(question, entries, " ".join(lines))


def votes(entry: LedgerEntry, said: Phrases) -> str:
    """Who said what of an entry, in one line."""
    return "; ".join(
        said.say(
            "vote",
            expert=vote.expert,
            polarity=said.words[Polarity(vote.polarity)],
            probability="" if vote.probability is None else f" ({vote.probability:.2f})",
            evidence=vote.evidence,
        )
        for vote in entry.votes
    )


def _of(draft: Draft, entry: LedgerEntry) -> list[Evidence]:
    return [item for item in draft.evidence if item.id in entry.evidence]


def answer_from(question: Question, entries: Sequence[LedgerEntry], text: str) -> Answer:
    """An answer that makes the claims of these entries and rests on their evidence."""
    claims = tuple(claim for e in entries if (claim := e.claim()) is not None)
    evidence = tuple(dict.fromkeys(key for e in entries for key in e.evidence))
    return Answer(text=text, intent=question.intent, claims=claims, evidence=evidence)


def _percent(entry: LedgerEntry) -> str:
    return f"{entry.probability:.2f}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]
