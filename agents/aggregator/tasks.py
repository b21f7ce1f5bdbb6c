"""Which sentences are worth rewording, and what the model is told of one."""

from __future__ import annotations

from collections.abc import Sequence

from agents.aggregator.contract import Attempt, RewordingTask
from agents.state import DraftRequest
from findings.catalogue import describe, region_name
from findings.claims import Claim
from findings.evidence import Neighbour
from findings.vocabulary import Certainty, Language
from reporting.draft import Section, SectionName, Sentence
from reporting.read_back import Difference, DifferenceType, read_claims

MAX_STYLE_SENTENCES = 2
MAX_STYLE_CHARACTERS = 160


def worth_rewording(section: Section, sentence: Sentence) -> bool:
    """Positive findings of the findings section; lists of negatives read well as they are."""
    return section.name is SectionName.FINDINGS and any(claim.present for claim in sentence.claims)


def reword_task(
    sentence: Sentence,
    attempt: Attempt,
    neighbours: Sequence[Neighbour],
    request: DraftRequest,
) -> RewordingTask:
    """The task for one sentence. Indication and prior report have no part in it."""
    return RewordingTask(
        sentence=sentence.text,
        shape=shape_of(sentence.claims[0]),
        facts=tuple(in_words(claim, request.language) for claim in sentence.claims),
        style=style_of(sentence, neighbours, request.language),
        language=request.language,
        seed=request.seed + attempt.tries,
        tries=attempt.tries,
        rejected=attempt.rejected,
        complaint=attempt.complaint,
    )


def shape_of(claim: Claim) -> str:
    """Certainty and kind of place, by which examples are chosen."""
    if claim.measurement is not None:
        place = "number"
    elif claim.region is not None:
        place = "region"
    else:
        place = "none" if claim.side is None else "side"
    return f"{claim.certainty.value}.{place}"


def in_words(claim: Claim, language: Language) -> str:
    """A claim as a short list of its attributes, for a prompt: `pleural effusion; left; mild`."""
    parts = [describe(claim.finding).name(language)]
    if not claim.present:
        parts.append("absent")
    if claim.certainty is not Certainty.DEFINITE:
        parts.append(claim.certainty.value)
    if claim.severity is not None:
        parts.append(claim.severity.value)
    if claim.side is not None:
        parts.append(claim.side.value)
    if claim.region is not None:
        parts.append(region_name(claim.region, language))
    if claim.change is not None:
        parts.append(claim.change.value)
    if claim.measurement is not None:
        parts.append(f"{claim.measurement.value:.3g} {claim.measurement.unit}")
    return "; ".join(parts)


def style_of(
    sentence: Sentence, neighbours: Sequence[Neighbour], language: Language
) -> tuple[str, ...]:
    """Short sentences of similar reports that affirm the same finding."""
    wanted = {claim.finding for claim in sentence.claims if claim.present}
    found: list[str] = []
    for neighbour in neighbours:
        if neighbour.language != language.value or not wanted & set(neighbour.findings):
            continue
        for text in neighbour.text.replace("\n", " ").split(". "):
            if not 0 < len(text) <= MAX_STYLE_CHARACTERS:
                continue
            said = {claim.finding for claim in read_claims(text, language) if claim.present}
            if wanted & said:
                found.append(text.strip(" .") + ".")
            if len(found) == MAX_STYLE_SENTENCES:
                return tuple(found)
    return tuple(found)


def complaint(differences: Sequence[Difference]) -> str:
    """The first difference in words that a language model can act on."""
    difference = differences[0]
    name = difference.finding.value.replace("_", " ") if difference.finding else "the finding"
    expected, read = difference.expected, difference.read
    match difference.type:
        case DifferenceType.DROPPED:
            return f"It does not say {name}."
        case DifferenceType.ADDED:
            return f"It adds {name}, which is not a fact."
        case DifferenceType.FLIPPED:
            return f"It turns {name} round: it must be {expected}."
        case DifferenceType.UNREAD:
            return f"It may not use these words: {read}."
        case DifferenceType.CHANGE_WITHOUT_PRIOR:
            return "It speaks of a change, and there is nothing to compare with."
        case _:
            aspect = difference.type.value
            if expected is None:
                return f"It adds a {aspect} to {name} that is not a fact: {read}."
            if read is None:
                return f"It leaves out the {aspect} of {name}: {expected}."
            return f"The {aspect} of {name} must be {expected}, not {read}."
