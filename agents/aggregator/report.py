"""The whole-report form: sentences with their claims and evidence by id, under a JSON schema.

The phraser's plan fixes what is said in which section; the model may choose words, join planned
sentences and split them. The schema lets only the ids of the plan be named, where the back end
decodes under it; `parse_report` holds any answer to the same rule.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from agents.aggregator.contract import Point, ReportTask
from agents.aggregator.tasks import in_words, style_of
from agents.state import DraftRequest
from findings.claims import Claim, Frozen
from findings.evidence import Neighbour
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.entailment import implies
from reporting.ledger import Ledger
from reporting.places import atoms
from reporting.planning import written_claim

MAX_SENTENCE_CHARACTERS: Final = 400
MAX_SENTENCES: Final = 120
MAX_ANSWER_CHARACTERS: Final = 64_000
WRITTEN_SECTIONS: Final = (SectionName.FINDINGS, SectionName.IMPRESSION)


class Written(Frozen):
    """One sentence as the model wrote it, with the ids that it names."""

    section: SectionName
    text: str
    entries: tuple[str, ...]
    evidence: tuple[str, ...]


class Passage(Frozen):
    """Planned sentences and the model's sentences about the same ledger entries."""

    planned: tuple[Sentence, ...]
    written: tuple[Sentence, ...] = ()
    cited: tuple[tuple[str, ...], ...] = ()
    """Evidence that each written sentence cites; the sentence itself names that of its entries."""
    complete: bool = False
    """Whether the written sentences name everything that was planned."""


def report_task(
    sections: Sequence[Section], neighbours: Sequence[Neighbour], request: DraftRequest
) -> ReportTask:
    """The task for a planned report. Indication and prior report have no part in it."""
    planned = [(section, s) for section in sections for s in section.sentences if _written(section)]
    points = tuple(
        Point(
            section=section.name,
            sentence=sentence.text,
            facts=tuple(in_words(claim, request.language) for claim in sentence.claims),
            entries=sentence.entries,
            evidence=sentence.evidence,
        )
        for section, sentence in planned
        if sentence.claims
    )
    style = [text for _, s in planned for text in style_of(s, neighbours, request.language)]
    return ReportTask(
        points=points,
        style=tuple(dict.fromkeys(style)),
        language=request.language,
        seed=request.seed,
    )


def _written(section: Section) -> bool:
    return section.name in WRITTEN_SECTIONS


def report_schema(task: ReportTask) -> dict[str, Any]:
    """JSON Schema of an answer: the ids of claims and evidence are enumerations of the plan's.

    Only keywords that the usual guided decoders know.
    """
    sections = {}
    for name in dict.fromkeys(point.section for point in task.points):
        points = [point for point in task.points if point.section is name]
        entries = list(dict.fromkeys(key for point in points for key in point.entries))
        evidence = list(dict.fromkeys(key for point in points for key in point.evidence))
        sections[name.value] = {
            "type": "array",
            "minItems": 1,
            "maxItems": min(len(entries), MAX_SENTENCES),
            "items": _object(
                claims=_ids(entries),
                evidence=_ids(evidence),
                text={"type": "string", "minLength": 1, "maxLength": MAX_SENTENCE_CHARACTERS},
            ),
        }
    return _object(**sections)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _ids(ids: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": len(ids),
        "items": {"type": "string", "enum": list(ids)},
    }


def parse_report(answer: str, task: ReportTask) -> tuple[Written, ...] | None:
    """The sentences of an answer; `None` where it is no such JSON.

    An id that the section's plan does not hold stays in the sentence and is found when the sentence
    is laid beside the plan.
    """
    if len(answer) > MAX_ANSWER_CHARACTERS:
        return None
    try:
        parsed: Any = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    found = []
    for name in dict.fromkeys(point.section for point in task.points):
        sentences = parsed.get(name.value)
        if not isinstance(sentences, list):
            return None
        for sentence in sentences[:MAX_SENTENCES]:
            written = _sentence(name, sentence)
            if written is None:
                return None
            found.append(written)
    return tuple(found)


def _sentence(section: SectionName, given: Any) -> Written | None:
    if not isinstance(given, dict) or set(given) != {"claims", "evidence", "text"}:
        return None
    claims, evidence, text = given["claims"], given["evidence"], given["text"]
    named = [claims, evidence]
    if not isinstance(text, str) or not all(isinstance(ids, list) for ids in named):
        return None
    if not all(isinstance(key, str) for ids in named for key in ids):
        return None
    return Written(
        section=section,
        text=text[: MAX_SENTENCE_CHARACTERS + 1].strip(),
        entries=tuple(dict.fromkeys(claims)),
        evidence=tuple(dict.fromkeys(evidence)),
    )


def passages(
    section: Section, written: Sequence[Written], ledger: Ledger, has_prior: bool
) -> tuple[tuple[Passage, ...], int]:
    """Planned and written sentences of a section laid side by side, in the plan's order.

    Sentences belong together that share a ledger entry, directly or through others. The second
    value counts written sentences that name an entry which the section does not plan.
    """
    planned = [sentence for sentence in section.sentences if sentence.claims]
    known = {key for sentence in planned for key in sentence.entries}
    own = [w for w in written if w.section is section.name]
    fitting = [w for w in own if w.entries and set(w.entries) <= known]
    groups: list[tuple[list[Sentence], set[str]]] = [([s], set(s.entries)) for s in planned]
    for sentence in fitting:
        touched = [group for group in groups if group[1] & set(sentence.entries)]
        for group in touched[1:]:
            touched[0][0].extend(group[0])
            touched[0][1].update(group[1])
            groups.remove(group)
    laid = tuple(
        _passage(together, [w for w in fitting if keys & set(w.entries)], ledger, has_prior)
        for together, keys in groups
    )
    return laid, len(own) - len(fitting)


def _passage(
    planned: Sequence[Sentence], written: Sequence[Written], ledger: Ledger, has_prior: bool
) -> Passage:
    bare = all(claim.measurement is None for s in planned for claim in s.claims)
    claims = {
        key: claim.model_copy(update={"measurement": None}) if bare else claim
        for key in dict.fromkeys(key for s in planned for key in s.entries)
        if (claim := written_claim(ledger.entry(key), has_prior)) is not None
    }
    named = [[key for key in w.entries if key in claims] for w in written]
    complete = bool(written)
    for key in claims:
        if any(key in keys for keys in named):
            continue
        carrier = next(
            (keys for keys in named if _says([claims[k] for k in keys], claims[key])), None
        )
        if carrier is None:
            complete = False
        else:
            carrier.append(key)
    ids = [sentence.id for sentence in planned]
    ids += [f"{ids[-1]}.{extra}" for extra in range(1, len(written) - len(ids) + 1)]
    sentences = tuple(
        Sentence(
            id=name,
            text=one.text,
            claims=tuple(dict.fromkeys(claims[key] for key in keys)),
            evidence=tuple(dict.fromkeys(e for key in keys for e in ledger.entry(key).evidence)),
            entries=tuple(keys),
            origin=Origin.MODEL,
        )
        for name, one, keys in zip(ids, written, named, strict=False)
    )
    return Passage(
        planned=tuple(planned),
        written=sentences,
        cited=tuple(one.evidence for one in written),
        complete=complete,
    )


def _says(said: Sequence[Claim], meant: Claim) -> bool:
    heard = [atom for claim in said for atom in atoms(claim)]
    return all(any(implies(one, atom) for one in heard) for atom in atoms(meant))
