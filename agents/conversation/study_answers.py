"""Answers about the whole study: measurements, prior, experts, picture, similar reports."""

from __future__ import annotations

from agents.conversation.answer import Answer
from agents.conversation.ledger_answers import (
    STATED,
    about,
    answer_from,
    boxes_of,
    entries_on,
    name,
    votes,
)
from agents.conversation.phrases import Phrases, folded, matches, phrases
from agents.conversation.router import Intent, Question
from findings.catalogue import region_name
from findings.evidence import MeasurementEvidence, PriorFinding, RegionMask
from findings.regions import region_side
from findings.vocabulary import Language, Side
from reporting.conflicts import conflicts_in
from reporting.draft import Draft, NamedMeasurement
from reporting.wording import format_number

_LONGEST_NEIGHBOUR = 240


def measurements(draft: Draft, question: Question) -> Answer:
    """The measurements that the question names, or all of them."""
    said = phrases(question.language)
    if not draft.measurements:
        return Answer(text=said.say("nothing_measured"), intent=question.intent)
    plain = folded(question.text)
    wanted = [m for m in draft.measurements if matches(said.measure_words.get(m.name, ()), plain)]
    general = any(word in plain for word in ("all", "list", "measurements", "medidas", "medido"))
    chosen = wanted or (list(draft.measurements) if general else [])
    if not chosen:
        names = ", ".join(said.measures.get(m.name, m.name) for m in draft.measurements)
        return Answer(text=said.say("not_measured", names=names), intent=question.intent)
    lines = "; ".join(_measured(m, draft, question.language, said) for m in chosen)
    ids = tuple(dict.fromkeys(m.evidence for m in chosen))
    return Answer(
        text=said.say("measured", lines=lines[:1].upper() + lines[1:]),
        intent=question.intent,
        evidence=ids,
        show=ids,
    )


def _measured(measured: NamedMeasurement, draft: Draft, language: Language, said: Phrases) -> str:
    item = next(e for e in draft.evidence if e.id == measured.evidence)
    assert isinstance(item, MeasurementEvidence)
    unit = f" {said.words.get(measured.unit, measured.unit)}" if measured.unit != "1" else ""
    provenance = "" if measured.provenance == "none" else f" ({measured.provenance})"
    label = said.measures.get(measured.name, measured.name.replace("_", " "))
    return f"{label} {format_number(item.measurement, language)}{unit}{provenance}"


def comparison(draft: Draft, question: Question) -> Answer:
    """Changes since the prior, where one was given."""
    said = phrases(question.language)
    prior = [item for item in draft.evidence if isinstance(item, PriorFinding)]
    if not prior:
        return Answer(text=said.say("no_prior"), intent=question.intent)
    changed = [e for e in draft.ledger if e.change is not None and e.decision in STATED]
    if question.finding is not None:
        mine = entries_on(draft, question.finding)
        changed = [e for e in changed if e in mine]
    if not changed:
        ids = tuple(item.id for item in prior)
        return Answer(text=said.say("no_changes"), intent=question.intent, evidence=ids)
    lines = "; ".join(f"{name(e.finding, question)}: {e.change}" for e in changed)
    return answer_from(question, changed, said.say("changes", lines=lines))


def experts(draft: Draft, question: Question) -> Answer:
    """Who said what: of one finding, or of all that are stated or disputed."""
    if question.finding is not None:
        return about(draft, question)
    said = phrases(question.language)
    entries = [e for e in draft.ledger if e.decision in STATED or e.disagreements]
    lines = [f"{name(e.finding, question)}: {votes(e, said)}." for e in entries if e.votes]
    parts = [said.say("experts_all", lines=" ".join(lines)) if lines else said.say("experts_none")]
    conflicts = conflicts_in(question.language, draft.ledger)
    parts.append(
        said.say("disagreements", lines=" ".join(conflicts)) if conflicts else said.say("agree")
    )
    if draft.experts:
        absent = ", ".join(f"{note.role} ({note.status})" for note in draft.experts)
        parts.append(said.say("missing_experts", experts=absent.replace("_", " ")))
    return Answer(
        text=" ".join(parts),
        intent=question.intent,
        evidence=tuple(dict.fromkeys(key for e in entries for key in e.evidence)),
    )


def show(draft: Draft, question: Question) -> Answer:
    """What to draw on the picture, or to take off it."""
    said = phrases(question.language)
    hiding = question.intent is Intent.HIDE
    ids, names = _pictured(draft, question)
    if hiding:
        what = ", ".join(names) or said.text["all_marks"]
        return Answer(text=said.say("hidden", what=what), intent=question.intent, hide=ids)
    if not ids:
        masks = [e for e in draft.evidence if isinstance(e, RegionMask)]
        known = ", ".join(dict.fromkeys(region_name(m.region, question.language) for m in masks))
        return Answer(text=said.say("cannot_show", known=known), intent=question.intent)
    return Answer(
        text=said.say("shown", what=", ".join(names)),
        intent=question.intent,
        evidence=ids,
        show=ids,
    )


def _pictured(draft: Draft, question: Question) -> tuple[tuple[str, ...], list[str]]:
    """Evidence with a place on the picture that the question names, and how it is called."""
    plain = folded(question.text)
    lateral = (Side.LEFT, Side.RIGHT)
    named = {
        region
        for region, patterns in phrases(question.language).region_words.items()
        if matches(patterns, plain)
        and not (
            question.side in lateral
            and region_side(region) in lateral
            and region_side(region) is not question.side
        )
    }
    if question.region is not None:
        named.add(question.region)
    masks = [e for e in draft.evidence if isinstance(e, RegionMask) and e.region in named]
    found = [(m.id, region_name(m.region, question.language)) for m in masks]
    if question.finding is not None:
        findings = {e.finding for e in entries_on(draft, question.finding)} | {question.finding}
        found += [(box.id, name(box.finding, question)) for box in boxes_of(draft, findings)]
        if not found:
            regions = {e.region for e in entries_on(draft, question.finding) if e.region}
            found = [
                (m.id, region_name(m.region, question.language))
                for m in draft.evidence
                if isinstance(m, RegionMask) and m.region in regions
            ]
    elif not named and question.intent is Intent.SHOW:
        every = [e for e in draft.evidence if isinstance(e, RegionMask)]
        general = ("overlay", "box", "mask", "caja", "marca", "mascara", "all", "todo")
        if any(word in plain for word in general):
            found = [(m.id, region_name(m.region, question.language)) for m in every]
    return tuple(key for key, _ in found), list(dict.fromkeys(label for _, label in found))


def similar(draft: Draft, question: Question) -> Answer:
    """The similar prior reports, as quotations: never this patient's findings."""
    said = phrases(question.language)
    if not draft.neighbours:
        return Answer(text=said.say("no_similar"), intent=question.intent)
    lines = " ".join(
        f"[{n.report_id}, {n.similarity:.2f}] “{_shortened(n.text)}”" for n in draft.neighbours
    )
    return Answer(
        text=said.say("similar", count=len(draft.neighbours), lines=lines),
        intent=question.intent,
        evidence=tuple(n.id for n in draft.neighbours),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NEIGHBOUR else text[: _LONGEST_NEIGHBOUR - 1] + "…"
