"""The draft as a document: Markdown with everything it was written from, and plain text.

Whatever comes from outside (models, experts, requests, neighbours) is untrusted: it is escaped for
Markdown and HTML, stripped of control characters and bounded in length.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from findings.catalogue import describe, region_name
from findings.claims import SpacingProvenance
from findings.evidence import Evidence
from findings.regions import Region
from findings.vocabulary import Language, Side
from reporting.conflicts import conflict_in
from reporting.draft import Draft, DraftStatus, NamedMeasurement, Section, SectionName, Sentence
from reporting.labels import Labels, labels
from reporting.ledger import LedgerEntry
from reporting.limits import limits
from reporting.planning import Topic, topic_of
from reporting.remarks import reason_in

_MARKDOWN = re.compile(r"([\\`*_\[\]|~$#!])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MAX_CELL = 240


def plain(text: str, limit: int = 4000) -> str:
    """One printable line of untrusted text, bounded."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def escape_markdown(text: str, limit: int = 4000) -> str:
    """Untrusted text that Markdown and HTML show as it is, and do not act upon."""
    line = plain(text, limit)
    for character, entity in _ENTITIES.items():
        line = line.replace(character, entity)
    line = _MARKDOWN.sub(r"\\\1", line)
    line = re.sub(r"(?i)\b(https?|ftp|mailto|javascript|data):", r"\1&#58;", line)
    line = re.sub(r"(?i)\bwww\.", "www&#46;", line).replace("@", "&#64;")
    line = re.sub(r"^([-+=])", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def report_markdown(draft: Draft) -> str:
    """The whole draft as `report.md`: the report first, then what carries it."""
    words = labels(draft.language)
    blocks = [
        f"# {words.title}",
        f"> **{notice(draft)}**",
        _meta(draft, words),
        *(
            _section(section, draft.ledger, words)
            for section in draft.sections
            if section.sentences
        ),
        _limits(draft, words),
        "---",
        *_appendix(draft, words),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def report_text(draft: Draft, width: int = 88) -> str:
    """The report for a terminal: sections and sentences with their evidence ids."""
    words = labels(draft.language)
    lines = [words.title.upper(), *textwrap.wrap(notice(draft), width), ""]
    for section in draft.sections:
        if not section.sentences:
            continue
        lines.append(words.sections[section.name.value].upper())
        blocks = paragraphs(section, draft.ledger)
        numbered = section.name is SectionName.IMPRESSION and len(blocks) > 1
        for number, (lead, sentences) in enumerate(blocks, start=1):
            text = " ".join(_cited(sentence) for sentence in sentences)
            head = f"{words.topics[lead.value]}: " if lead else f"{number}. " if numbered else ""
            lines += textwrap.wrap(head + text, width, initial_indent="  ", subsequent_indent="  ")
        lines.append("")
    if left_out := limits(draft):
        lines.append(words.headings["limits"].upper())
        for text in left_out:
            lines += textwrap.wrap(plain(text), width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines).rstrip() + "\n"


def notice(draft: Draft) -> str:
    """The research-use notice that fits the draft's status."""
    words = labels(draft.language)
    return words.notice_signed if draft.status is DraftStatus.SIGNED else words.notice


def paragraphs(
    section: Section, ledger: Sequence[LedgerEntry]
) -> list[tuple[Topic | None, list[Sentence]]]:
    """A section's sentences as paragraphs: the findings by topic, the impression one by one.

    A sentence without claims goes by the ledger entries that it names, else with the one before.
    """
    if section.name is SectionName.IMPRESSION:
        return [(None, [sentence]) for sentence in section.sentences]
    if section.name is not SectionName.FINDINGS:
        return [(None, list(section.sentences))]
    findings = {entry.id: entry.finding for entry in ledger}
    grouped: list[tuple[Topic | None, list[Sentence]]] = []
    topic: Topic | None = None
    for sentence in section.sentences:
        named = [claim.finding for claim in sentence.claims]
        named += [findings[key] for key in sentence.entries if key in findings]
        if named:
            topic = topic_of(named[0])
        if grouped and grouped[-1][0] is topic:
            grouped[-1][1].append(sentence)
        else:
            grouped.append((topic, [sentence]))
    return grouped


def measurement_value(measurement: NamedMeasurement, language: Language) -> str:
    """A listed measurement with its unit, as people read it."""
    decimal = "," if language is Language.SPANISH else "."
    digits = 2 if measurement.unit == "1" or abs(measurement.value) < 10 else 0
    number = f"{measurement.value:.{digits}f}".replace(".", decimal)
    unit = {"1": "", "{pixel}": "px"}.get(measurement.unit, measurement.unit)
    return f"{number} {unit}".strip()


def measurement_name(name: str, language: Language) -> str:
    """A listed measurement's name, as people read it."""
    known = labels(language).measurement_names
    return known.get(name, name.replace("_", " ").capitalize())


def place_name(side: Side | None, region: Region | None, language: Language) -> str:
    """Where something is, as a table says it."""
    if region is not None:
        return region_name(region, language)
    return labels(language).sides[side.value] if side is not None else ""


def signed_by(draft: Draft) -> str:
    """Who signed the report and when; empty where nobody has."""
    if draft.signature is None:
        return ""
    return labels(draft.language).signed_by.format(
        signer=plain(draft.signature.signer, 200), time=plain(draft.signature.time, 40)
    )


def _meta(draft: Draft, words: Labels) -> str:
    signed = escape_markdown(signed_by(draft))
    status = words.meta.format(
        status=words.status[draft.status.value],
        language=draft.language.value,
        writer=words.writer[draft.writer.value],
        study=f"`{re.sub('[^0-9A-Za-z_-]', '', draft.study_key)[:16]}`",
    )
    return f"{status}\n\n{signed}" if signed else status


def _section(section: Section, ledger: Sequence[LedgerEntry], words: Labels) -> str:
    title = f"## {words.sections[section.name.value]}"
    blocks = []
    for number, (topic, sentences) in enumerate(paragraphs(section, ledger), start=1):
        text = " ".join(_linked(sentence) for sentence in sentences)
        if topic is not None:
            text = f"**{words.topics[topic.value]}.** {text}"
        if section.name is SectionName.IMPRESSION:
            text = f"{number}. {text}"
        blocks.append(text)
    gap = "\n" if section.name is SectionName.IMPRESSION else "\n\n"
    return f"{title}\n\n{gap.join(blocks)}"


def _limits(draft: Draft, words: Labels) -> str:
    left_out = [f"- {escape_markdown(text)}" for text in limits(draft)]
    return "\n".join([f"## {words.headings['limits']}", "", *left_out]) if left_out else ""


def _linked(sentence: Sentence) -> str:
    text = escape_markdown(sentence.text)
    if not sentence.evidence:
        return text
    links = ", ".join(f"[{key}](#{key.lower()})" for key in map(_key, sentence.evidence))
    return f"{text} <sub>\\[{links}\\]</sub>"


def _cited(sentence: Sentence) -> str:
    text = plain(sentence.text)
    return f"{text} [{', '.join(map(_key, sentence.evidence))}]" if sentence.evidence else text


def _key(evidence_id: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", evidence_id)[:12]


def _appendix(draft: Draft, words: Labels) -> Iterable[str]:
    heads, columns = words.headings, words.columns

    def table(
        head: str, names: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
    ) -> str:
        lines = [f"## {heads[head]}", ""]
        if note:
            lines += [note, ""]
        if not rows:
            return "\n".join([*lines, words.none])
        lines.append("| " + " | ".join(columns[name] for name in names) + " |")
        lines.append("|" + " --- |" * len(names))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join(lines)

    language = draft.language
    yield table(
        "evidence",
        ("id", "expert", "kind", "finding", "probability", "place", "note"),
        [_evidence_row(item, words) for item in draft.evidence],
    )
    yield table(
        "decisions",
        ("finding", "place", "decision", "probability", "evidence", "reason"),
        [
            (
                describe(entry.finding).name(language),
                place_name(entry.side, entry.region, language),
                words.decisions[entry.decision.value],
                f"{entry.probability:.2f}",
                ", ".join(map(_key, entry.evidence)),
                escape_markdown(reason_in(language, entry.reason), _MAX_CELL),
            )
            for entry in draft.ledger
        ],
    )
    yield table(
        "disagreements",
        ("finding", "place", "type", "detail", "settled_by"),
        [
            (
                describe(entry.finding).name(language),
                place_name(entry.side, entry.region, language),
                words.disagreement[conflict.type.value],
                *(escape_markdown(text, _MAX_CELL) for text in conflict_in(language, conflict)),
            )
            for entry in draft.ledger
            for conflict in entry.disagreements
        ],
    )
    yield table(
        "measurements",
        ("name", "value", "provenance", "evidence"),
        [
            (
                escape_markdown(measurement_name(item.name, language), _MAX_CELL),
                escape_markdown(measurement_value(item, language)),
                _provenance(item.provenance, words),
                _key(item.evidence),
            )
            for item in draft.measurements
        ],
    )
    if draft.neighbours:
        yield table(
            "neighbours",
            ("id", "similarity", "text"),
            [
                (
                    escape_markdown(item.report_id, 60),
                    f"{item.similarity:.2f}",
                    escape_markdown(item.text, _MAX_CELL),
                )
                for item in draft.neighbours
            ],
            heads["neighbours_note"],
        )
    yield table(
        "experts",
        ("role", "name", "status", "detail"),
        [
            (
                escape_markdown(item.role, 60),
                escape_markdown(item.name, 60),
                words.experts[item.status],
                escape_markdown(item.detail, _MAX_CELL),
            )
            for item in draft.experts
        ],
    )
    yield table(
        "models",
        ("role", "name", "version", "licence", "checksum"),
        [
            (
                escape_markdown(item.role, 60),
                escape_markdown(item.name, 80),
                escape_markdown(item.version, 40),
                escape_markdown(item.licence, 120),
                f"`{re.sub('[^0-9a-f]', '', item.sha256)[:12]}…`" if item.sha256 else "",
            )
            for item in draft.models
        ],
    )
    yield _checks(draft, words)


def _evidence_row(item: Evidence, words: Labels) -> tuple[str, ...]:
    language = words.language
    subject = describe(item.finding).name(language) if item.finding is not None else ""
    place = place_name(item.side, item.region, language)
    if item.kind == "region_mask":
        subject, place = place, ""
    key = _key(item.id)
    return (
        f'<a id="{key.lower()}"></a>{key}',
        escape_markdown(f"{item.expert} {item.version}", 80),
        words.kinds[item.kind],
        subject,
        "" if item.probability is None else f"{item.probability:.2f}",
        place,
        _evidence_note(item, words),
    )


def _evidence_note(item: Evidence, words: Labels) -> str:
    notes = []
    if item.kind == "measurement":
        named = NamedMeasurement.of(item.measurement, item.id)
        name = measurement_name(named.name, words.language)
        notes.append(escape_markdown(f"{name} {measurement_value(named, words.language)}"))
    if item.box is not None:
        x0, y0, x1, y1 = item.box
        notes.append(f"({x0:.0f}, {y0:.0f})–({x1:.0f}, {y1:.0f}) px")
    if item.text:
        notes.append(f"“{escape_markdown(item.text, _MAX_CELL)}”")
    return "; ".join(notes)


def _provenance(value: str, words: Labels) -> str:
    known = SpacingProvenance.__members__.values()
    return words.provenance[value] if value in known else escape_markdown(value, 60)


def _checks(draft: Draft, words: Labels) -> str:
    heads, columns = words.headings, words.columns
    counts = draft.counts.model_dump()
    lines = [f"## {heads['checks']}", ""]
    lines.append(f"- {heads['gate']}: {words.gate[draft.gate.decision.value]}")
    lines += [f"  - {escape_markdown(reason.text, _MAX_CELL)}" for reason in draft.gate.reasons]
    lines += [f"- {text}: {counts[name]}" for name, text in words.counts.items()]
    if draft.warnings:
        lines.append(f"- {heads['warnings']}:")
        lines += [f"  - {escape_markdown(text, _MAX_CELL)}" for text in draft.warnings]
    if draft.timings:
        lines += ["", f"| {columns['node']} | {columns['seconds']} |", "| --- | --- |"]
        lines += [
            f"| {escape_markdown(node, 60)} | {seconds:.2f} |"
            for node, seconds in draft.timings.items()
        ]
    return "\n".join(lines)
