"""The deterministic phraser: a ledger into the sections of a report, in English or Spanish."""

from __future__ import annotations

from collections.abc import Sequence

from findings.vocabulary import Finding
from imaging.study import Source, View
from reporting.context import MAX_INDICATION_CHARACTERS, ReportContext
from reporting.draft import Section, SectionName, Sentence
from reporting.ledger import Ledger
from reporting.phrasebook import phrase_book
from reporting.planning import Kind, Statement, plan_findings, plan_impression
from reporting.wording import Wording

_HEART_SIZE = (Finding.CARDIOMEGALY, Finding.ENLARGED_CARDIOMEDIASTINUM)


def phrase_report(ledger: Ledger, context: ReportContext) -> tuple[Section, ...]:
    """Write the report that the ledger carries, and nothing else.

    Every sentence about a finding names its claims (the ledger's own), its ledger entries and
    their evidence; sentences about the examination itself make no claim. Sentence ids are S1, S2,
    ... in reading order. The same ledger, context and seed give the same text.

    Raises `EvidenceRuleError` where a positive entry has no evidence.
    """
    wording = Wording(context.language, context.seed)
    findings = plan_findings(ledger, context.has_prior)
    impression = plan_impression(ledger, context.has_prior)
    parts: list[tuple[SectionName, list[Sentence]]] = []
    if context.indication and context.indication.strip():
        parts.append((SectionName.INDICATION, [_plain(_quoted(context.indication, wording))]))
    parts.append((SectionName.TECHNIQUE, [_plain(text) for text in _technique(context)]))
    parts.append((SectionName.COMPARISON, [_plain(_comparison(context))]))
    parts.append((SectionName.FINDINGS, _findings(findings, context, wording)))
    written = [_sentence(s, wording.sentence(s, impression=True)) for s in impression]
    if not written:
        written = [_plain(wording.fixed("no_conclusion"))]
    parts.append((SectionName.IMPRESSION, written))
    return _numbered(parts)


def _quoted(indication: str, wording: Wording) -> str:
    """The indication as it was given: one line, bounded, without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in indication)
    text = " ".join(printable.split())
    if len(text) > MAX_INDICATION_CHARACTERS:
        text = text[: MAX_INDICATION_CHARACTERS - 1].rstrip() + "…"
    return wording.fixed("indication").replace("{text}", text)


def _technique(context: ReportContext) -> list[str]:
    phrases = phrase_book(context.language).technique
    lines = [phrases[context.view.value]]
    if context.view_source is Source.GUESSED and context.view is not View.UNKNOWN:
        lines.append(phrases["guessed"])
    if View.LATERAL in context.unread_views:
        lines.append(phrases["unread_lateral"])
    if any(view is not View.LATERAL for view in context.unread_views):
        lines.append(phrases["unread_other"])
    if not context.has_spacing:
        lines.append(phrases["unrecorded_spacing"])
    warnings = (phrases.get(f"warn_{code}") for code in context.gate_warnings)
    lines += [warning for warning in warnings if warning is not None]
    return lines


def _comparison(context: ReportContext) -> str:
    phrases = phrase_book(context.language).comparison
    if not context.has_prior:
        return phrases["none"]
    return phrases["prior_report" if context.prior_report_only else "prior_image"]


def _findings(
    statements: Sequence[Statement], context: ReportContext, wording: Wording
) -> list[Sentence]:
    sentences = []
    if not any(statement.claims for statement in statements):
        sentences.append(_plain(wording.fixed("nothing_known")))
    for statement in statements:
        sentences.append(_sentence(statement, wording.sentence(statement)))
        about_size = any(head.finding in _HEART_SIZE for head in statement.heads)
        if about_size and context.view is View.AP and statement.kind is not Kind.RESOLVED:
            caveat = _plain(wording.fixed("ap_heart"))
            if caveat not in sentences:
                sentences.append(caveat)
    return sentences


def _sentence(statement: Statement, text: str) -> Sentence:
    return Sentence(
        id="S0",
        text=text,
        claims=statement.claims,
        evidence=statement.evidence,
        entries=tuple(entry.id for entry in statement.entries),
    )


def _plain(text: str) -> Sentence:
    return Sentence(id="S0", text=text)


def _numbered(parts: Sequence[tuple[SectionName, Sequence[Sentence]]]) -> tuple[Section, ...]:
    number = 0
    sections = []
    for name, sentences in parts:
        numbered = []
        for sentence in sentences:
            number += 1
            numbered.append(sentence.model_copy(update={"id": f"S{number}"}))
        sections.append(Section(name=name, sentences=tuple(numbered)))
    return tuple(sections)
