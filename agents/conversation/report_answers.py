"""Answers about the report itself: a sentence explained, reworded or changed, a summary."""

from __future__ import annotations

import re

from agents.conversation.answer import Answer
from agents.conversation.ledger_answers import STATED, answer_from, name
from agents.conversation.phrases import folded, phrases
from agents.conversation.router import Intent, Question
from findings.catalogue import describe, is_a
from findings.vocabulary import Finding, Language
from reporting.draft import Draft, SectionName, Sentence
from reporting.ledger import Ledger, LedgerEntry
from reporting.planning import plan_findings, plan_impression
from reporting.remarks import reason_in
from reporting.wording import Wording

_IMPRESSION = ("impres", "conclus")
_PATIENT = ("patient", "plain", "simple", "lay ", "easy", "paciente", "sencill", "clar")
_OTHER = {
    Language.SPANISH: ("spanish", "espanol", "castellano"),
    Language.ENGLISH: ("english", "ingles"),
}


def explain(draft: Draft, question: Question) -> Answer:
    """A sentence, what it rests on and why; the whole impression where no one sentence is meant."""
    said = phrases(question.language)
    meant = meant_sentences(draft, question)
    if not meant:
        return _no_such_sentence(draft, question)
    lines = []
    for sentence in meant:
        entries = _entries(draft, sentence)
        support = (
            said.say(
                "supported",
                evidence=", ".join(sentence.evidence),
                reason=" ".join(
                    dict.fromkeys(reason_in(question.language, entry.reason) for entry in entries)
                ),
            )
            if sentence.evidence
            else said.say("unsupported_kind")
        )
        lines.append(said.say("sentence", id=sentence.id, text=sentence.text, support=support))
    return _from_sentences(question, meant, " ".join(lines))


def rewrite(draft: Draft, question: Question) -> Answer:
    """The report's findings in other words: shorter, in the other language, or for the patient."""
    plain = folded(question.text)
    if any(word in plain for word in _PATIENT):
        return _for_the_patient(draft, question)
    language = next(
        (own for own, names in _OTHER.items() if any(n in plain for n in names)), draft.language
    )
    ledger = Ledger(entries=draft.ledger)
    wording = Wording(language, draft.seed)
    whole = language is not draft.language and not any(w in plain for w in _IMPRESSION)
    has_prior = _compared(draft)
    statements = (
        plan_findings(ledger, has_prior) if whole else plan_impression(ledger, has_prior)[:3]
    )
    text = " ".join(wording.sentence(s, impression=not whole) for s in statements)
    if not text:
        text = phrases(language).say("known_nothing")
    claims = tuple(claim for statement in statements for claim in statement.claims)
    evidence = tuple(dict.fromkeys(key for s in statements for key in s.evidence))
    return Answer(
        text=text, intent=question.intent, claims=claims, evidence=evidence, language=language
    )


def _for_the_patient(draft: Draft, question: Question) -> Answer:
    said = phrases(question.language)
    stated = [e for e in draft.ledger if e.decision in STATED]
    lines = [said.plain[e.finding] for e in stated if e.finding in said.plain]
    lines += [name(e.finding, question) for e in stated if e.finding not in said.plain]
    text = "; ".join(dict.fromkeys(lines)) + "." if lines else said.say("patient_normal")
    return answer_from(question, stated, said.say("patient", lines=text))


def summarise(draft: Draft, question: Question) -> Answer:
    """The impression, in the question's language."""
    said = phrases(question.language)
    wording = Wording(question.language, draft.seed)
    has_prior = _compared(draft)
    statements = plan_impression(Ledger(entries=draft.ledger), has_prior)
    text = " ".join(wording.sentence(s, impression=True) for s in statements)
    stated = [e for e in draft.ledger if e.decision in STATED]
    abnormal = [e for e in stated if e.finding is not Finding.NO_FINDING]
    key = "summary" if abnormal else "summary_normal"
    return answer_from(question, stated, said.say(key, impression=text))


def general_knowledge(draft: Draft, question: Question) -> Answer:
    """Causes or next examinations of what the report states: marked as not from the image."""
    said = phrases(question.language)
    causes = question.intent is Intent.DIFFERENTIAL
    table = said.causes if causes else said.steps
    stated = [e.finding for e in draft.ledger if e.decision in STATED and e.finding in table]
    if question.finding is not None:
        asked = question.finding
        stated = [f for f in stated if is_a(f, asked) or is_a(asked, f)] or [
            f for f in (asked,) if f in table
        ]
    lines = [
        said.say(
            "differential_line" if causes else "next_line",
            finding=describe(finding).name(question.language).capitalize(),
            causes=table[finding],
            step=table[finding],
        )
        for finding in dict.fromkeys(stated)
    ]
    if not lines:
        text = said.say("differential_none" if causes else "next_none")
        return Answer(text=text, intent=question.intent)
    key = "differential" if causes else "next_steps"
    return Answer(text=said.say(key, lines=" ".join(lines)), intent=question.intent)


def meant_sentences(draft: Draft, question: Question) -> tuple[Sentence, ...]:
    """The sentences that the question means: by number, by section, or by finding."""
    impression = draft.section(SectionName.IMPRESSION).sentences
    in_impression = any(word in folded(question.text) for word in _IMPRESSION)
    body = draft.section(SectionName.FINDINGS).sentences
    if question.sentence is not None:
        if re.search(r"\bs\d+\b", folded(question.text)):
            wanted = f"S{question.sentence}"
            return tuple(s for s in draft.sentences() if s.id == wanted)
        among = impression if in_impression else body
        place = question.sentence - 1 if question.sentence > 0 else -1
        if among and -1 <= place < len(among):
            return (among[place],)
        wanted = f"S{question.sentence}"  # a number beyond the section's is the sentence's own
        return tuple(s for s in draft.sentences() if s.id == wanted)
    if in_impression:
        return impression
    if question.finding is not None:
        return tuple(
            s
            for s in (*body, *impression)
            if any(
                is_a(c.finding, question.finding) or is_a(question.finding, c.finding)
                for c in s.claims
            )
        )
    return ()


def _no_such_sentence(draft: Draft, question: Question) -> Answer:
    sentences = draft.sentences()
    if not sentences:
        return Answer(text=phrases(question.language).say("known_nothing"), intent=question.intent)
    text = phrases(question.language).say(
        "no_sentence", first=sentences[0].id, last=sentences[-1].id
    )
    return Answer(text=text, intent=question.intent)


def _entries(draft: Draft, sentence: Sentence) -> list[LedgerEntry]:
    return [entry for entry in draft.ledger if entry.id in sentence.entries]


def _from_sentences(question: Question, meant: tuple[Sentence, ...], text: str) -> Answer:
    return Answer(
        text=text,
        intent=question.intent,
        claims=tuple(claim for s in meant for claim in s.claims),
        evidence=tuple(dict.fromkeys(key for s in meant for key in s.evidence)),
    )


def _compared(draft: Draft) -> bool:
    """Whether the draft states a change since a prior."""
    return any(entry.change is not None for entry in draft.ledger)
