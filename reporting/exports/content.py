"""What documents print of a draft, in the report's language, before any file format."""

from __future__ import annotations

from findings.claims import Frozen
from reporting.draft import Draft, SectionName
from reporting.labels import labels
from reporting.limits import limits
from reporting.render import (
    measurement_name,
    measurement_value,
    notice,
    paragraphs,
    place_name,
    plain,
    signed_by,
)


class Paragraph(Frozen):
    """One printed paragraph: a lead in bold, its text, and the evidence it cites."""

    lead: str = ""
    text: str
    evidence: tuple[str, ...] = ()


class PrintedSection(Frozen):
    """One section of the printed report."""

    name: SectionName
    heading: str
    paragraphs: tuple[Paragraph, ...]


class Table(Frozen):
    """A table with its heading."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Limits(Frozen):
    """What the report leaves out, a sentence each, under its heading; empty: nothing."""

    heading: str
    texts: tuple[str, ...]


class Content(Frozen):
    """Everything that a document prints."""

    title: str
    notice: str
    signed: str
    meta: str
    sections: tuple[PrintedSection, ...]
    limits: Limits
    tables: tuple[Table, ...]


def content_of(draft: Draft) -> Content:
    """The draft as a document prints it: the report, what it measured, what it rests on, by whom.

    Texts are single printable lines of bounded length.
    """
    words = labels(draft.language)
    sections = tuple(
        PrintedSection(
            name=section.name,
            heading=words.sections[section.name.value],
            paragraphs=tuple(
                Paragraph(
                    lead=words.topics[lead.value] if lead else "",
                    text=" ".join(plain(sentence.text) for sentence in sentences),
                    evidence=tuple(dict.fromkeys(k for s in sentences for k in s.evidence)),
                )
                for lead, sentences in paragraphs(section, draft.ledger)
            ),
        )
        for section in draft.sections
        if section.sentences
    )
    meta = words.meta.format(
        status=words.status[draft.status.value],
        language=draft.language.value,
        writer=words.writer[draft.writer.value],
        study=plain(draft.study_key, 16),
    )
    return Content(
        title=words.title,
        notice=notice(draft),
        signed=signed_by(draft),
        meta=meta,
        sections=sections,
        limits=Limits(
            heading=words.headings["limits"], texts=tuple(plain(text) for text in limits(draft))
        ),
        tables=_tables(draft),
    )


def report_lines(draft: Draft) -> str:
    """The report's sections and limits as plain text, a heading or a paragraph a line."""
    lines = []
    content = content_of(draft)
    for section in content.sections:
        lines.append(f"{section.heading}:")
        lines += [
            f"{paragraph.lead}. {paragraph.text}" if paragraph.lead else paragraph.text
            for paragraph in section.paragraphs
        ]
        lines.append("")
    if content.limits.texts:
        lines += [f"{content.limits.heading}:", *content.limits.texts, ""]
    return "\n".join(lines)


def algorithms(draft: Draft) -> tuple[str, ...]:
    """The models that took part, by name and version."""
    return tuple(
        dict.fromkeys(f"{plain(m.name, 60)} {plain(m.version, 20)}".strip() for m in draft.models)
    )


def _tables(draft: Draft) -> tuple[Table, ...]:
    words = labels(draft.language)
    heads, columns = words.headings, words.columns
    measured = Table(
        heading=heads["measurements"],
        columns=(columns["name"], columns["value"], columns["provenance"], columns["evidence"]),
        rows=tuple(
            (
                plain(measurement_name(item.name, draft.language), 80),
                plain(measurement_value(item, draft.language), 40),
                words.provenance.get(item.provenance, plain(item.provenance, 40)),
                item.evidence,
            )
            for item in draft.measurements
        ),
    )
    from findings.catalogue import describe

    decided = Table(
        heading=heads["decisions"],
        columns=tuple(
            columns[name] for name in ("finding", "place", "decision", "probability", "evidence")
        ),
        rows=tuple(
            (
                describe(entry.finding).name(draft.language),
                place_name(entry.side, entry.region, draft.language),
                words.decisions[entry.decision.value],
                f"{entry.probability:.2f}",
                ", ".join(entry.evidence),
            )
            for entry in draft.ledger
        ),
    )
    used = Table(
        heading=heads["models"],
        columns=tuple(columns[name] for name in ("role", "name", "version", "licence")),
        rows=tuple(
            (plain(m.role, 40), plain(m.name, 60), plain(m.version, 30), plain(m.licence, 120))
            for m in draft.models
        ),
    )
    return tuple(table for table in (measured, decided, used) if table.rows)
