"""The rule-based report labeler: claims with character spans from free text, English or Spanish.

Every phrase of the lexicon that a sentence holds is found in one pass; longer phrases win over the
shorter ones they cover; cues then decide polarity and certainty (`findings.scope`) and modifiers
are given to the finding they belong to (`findings.attributes`). Nothing is learnt and nothing is
random. Time is linear in the length of the text.

What is claimed, by convention: "the lungs are clear" denies `lung_opacity` (and with it every kind
of it); a normal cardiac silhouette denies `cardiomegaly`; a sentence that calls the study normal
affirms `no_finding`; history, indications and questions claim nothing; a finding that has resolved
is absent with change `resolved`; a cardiothoracic ratio above 0.5 affirms cardiomegaly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from findings.attributes import Attributes, attributes
from findings.catalogue import ancestors
from findings.claims import Frozen, LabeledClaim
from findings.lexicon import Cue, Lexicon, Match, MeasureName, Place, Statement, load_lexicon
from findings.measures import Quantity, quantities
from findings.regions import Region
from findings.scope import Force, forces
from findings.sentences import Sentence, split_sentences
from findings.tokens import Token, tokenize
from findings.vocabulary import (
    Certainty,
    Change,
    Finding,
    Language,
    Polarity,
    Severity,
)

_CERTAINTY: Final = {
    Force.ASSERTED: Certainty.DEFINITE,
    Force.PROBABLE: Certainty.PROBABLE,
    Force.POSSIBLE: Certainty.POSSIBLE,
    Force.DENIED: Certainty.DEFINITE,
    Force.DENIED_WITH_DOUBT: Certainty.PROBABLE,
    Force.RESOLVED: Certainty.DEFINITE,
}
_DOUBT: Final = tuple(Certainty)
_EXACT: Final[dict[tuple[Finding, Region | None], Finding]] = {
    (Finding.FRACTURE, Region.RIBS): Finding.RIB_FRACTURE,
    (Finding.FRACTURE, Region.SPINE): Finding.VERTEBRAL_FRACTURE,
    (Finding.FRACTURE, Region.LEFT_CLAVICLE): Finding.CLAVICLE_FRACTURE,
    (Finding.FRACTURE, Region.RIGHT_CLAVICLE): Finding.CLAVICLE_FRACTURE,
    (Finding.CALCIFICATION, Region.AORTA): Finding.AORTIC_CALCIFICATION,
    (Finding.CALCIFICATION, Region.PLEURA): Finding.PLEURAL_CALCIFICATION,
    (Finding.CALCIFICATION, Region.LEFT_PLEURA): Finding.PLEURAL_CALCIFICATION,
    (Finding.CALCIFICATION, Region.RIGHT_PLEURA): Finding.PLEURAL_CALCIFICATION,
}


class LabeledSentence(Frozen):
    """One sentence, where it stands in the report, and what it claims."""

    text: str
    span: tuple[int, int]
    claims: tuple[LabeledClaim, ...]


class LabeledLine(Frozen):
    """One line of input and what it claims, as `readingroom label` prints it."""

    text: str
    claims: tuple[LabeledClaim, ...]


class ReportLabeler:
    """Reads the claims of a report in one language. Stateless between calls, thread-safe."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._lexicon = load_lexicon(language)

    def label(self, text: str) -> tuple[LabeledSentence, ...]:
        """Every sentence with its claims; spans are half-open character offsets into `text`.

        Never raises, whatever the text holds.
        """
        lexicon = self._lexicon
        sentences = []
        for sentence in split_sentences(tokenize(text), lexicon.asserting, lexicon.other):
            start, end = sentence.tokens[0].start, sentence.tokens[-1].end
            claims = tuple(self._claims(sentence)) if sentence.asserted else ()
            sentences.append(
                LabeledSentence(text=text[start:end], span=(start, end), claims=claims)
            )
        return tuple(sentences)

    def _claims(self, sentence: Sentence) -> Iterator[LabeledClaim]:
        lexicon = self._lexicon
        tokens = [token for token in sentence.tokens if token.text not in lexicon.fillers]
        phrases = _Phrases(lexicon, tokens)
        sizes = quantities(lexicon, tokens, phrases.measures, phrases.mentions)
        mentions = phrases.mentions
        if not mentions and not sizes:
            return
        strengths = forces(lexicon, tokens, mentions, phrases.cues)
        owned = attributes(lexicon, tokens, mentions, phrases.modifiers)
        claims = [
            claim
            for mention, force, own in zip(mentions, strengths, owned, strict=True)
            for claim in _state(tokens, mention, force, own, sizes)
        ]
        yield from _refined(claims)
        yield from _ratios(tokens, mentions, sizes)


def label_report(text: str, language: Language) -> tuple[LabeledClaim, ...]:
    """All claims of a report, in the order of the text."""
    return tuple(claim for sentence in _labeler(language).label(text) for claim in sentence.claims)


def label_line(text: str, language: Language | None = None) -> LabeledLine:
    """The claims of one line of text; the language is guessed where none is given."""
    return LabeledLine(text=text, claims=label_report(text, language or detect_language(text)))


def detect_language(text: str) -> Language:
    """The language of a report, by its commonest words; English where nothing tells."""
    words = {token.text for token in tokenize(text[:20_000])}
    scores = {
        language: len(words & load_lexicon(language).tell_tale)
        + sum(1 for word in words if len(word) > 3 and load_lexicon(language).classify(word))
        for language in Language
    }
    return max(Language, key=lambda language: scores[language])


@cache
def _labeler(language: Language) -> ReportLabeler:
    return ReportLabeler(language)


class _Phrases:
    """The phrases of a sentence that count, sorted by what they are for."""

    def __init__(self, lexicon: Lexicon, tokens: list[Token]) -> None:
        self.mentions: list[Match] = []
        self.cues: list[Match] = []
        self.modifiers: list[Match] = []
        self.measures: list[Match] = []
        taken: dict[int, Match] = {}
        matches = lexicon.find(tokens)
        matches.sort(key=lambda match: (-len(match.words), match.start, match.end))
        named = {
            match.start
            for match in matches
            if isinstance(match.meaning, Statement) and len(match.words) > 1
        }
        late = []
        for match in matches:
            if isinstance(match.meaning, Change) and match.words[-1] in named - {match.start}:
                continue  # "no se observan cambios degenerativos" denies a finding, not a change
            if isinstance(match.meaning, Statement | Cue | Change):
                self._take(match, taken, tokens, lexicon)
            else:
                late.append(match)
        used: set[int] = set()
        for match in late:
            if isinstance(match.meaning, MeasureName):
                self.measures.append(match)
                continue
            if any(place in used or _blocked(match, taken.get(place)) for place in match.words):
                continue
            used.update(match.words)
            self.modifiers.append(match)
        self.mentions.sort(key=lambda match: (match.start, match.end))
        self.modifiers.sort(key=lambda match: match.start)

    def _take(
        self, match: Match, taken: dict[int, Match], tokens: list[Token], lexicon: Lexicon
    ) -> None:
        holders = {id(taken[place]): taken[place] for place in match.words if place in taken}
        if holders:
            same = next(iter(holders.values()))
            if _clear_of(match, same):
                self.cues.append(match)
                return
            alike = type(match.meaning) is type(same.meaning) and not isinstance(
                match.meaning, Change
            )
            if not alike or len(holders) > 1 or same.words != match.words:
                return
            if any(
                other.meaning == match.meaning
                for other in (*self.mentions, *self.cues)
                if other.words == match.words
            ):
                return
        if isinstance(match.meaning, Statement):
            if _is_rest(match, tokens, lexicon):
                return
            self.mentions.append(match)
        elif isinstance(match.meaning, Cue):
            if match.meaning is not Cue.NEUTRAL:
                self.cues.append(match)
        else:
            self.modifiers.append(match)
        for place in match.words:
            taken.setdefault(place, match)


def _blocked(match: Match, holder: Match | None) -> bool:
    """True where a modifier's word already serves; a side in a finding's phrase still counts."""
    if holder is None:
        return False
    sided = isinstance(match.meaning, Place) and match.meaning.side is not None
    return not (sided and isinstance(holder.meaning, Statement))


def _clear_of(match: Match, holder: Match) -> bool:
    """True for the cue in "the lungs are clear of ..." where "lungs are clear" is a phrase too."""
    statement = holder.meaning
    return (
        match.meaning is Cue.NEGATION_BEFORE
        and isinstance(statement, Statement)
        and statement.absent
        and match.end > holder.end
    )


def _is_rest(match: Match, tokens: list[Token], lexicon: Lexicon) -> bool:
    """True for "normal" that speaks of the rest of the study, or of something not named."""
    meaning = match.meaning
    if not isinstance(meaning, Statement) or meaning.findings != (Finding.NO_FINDING,):
        return False
    if len(match.words) == 1 and len(tokens) > 2:
        return True
    before = tokens[max(0, match.start - 3) : match.start]
    return any(token.text in lexicon.exceptions for token in before)


def _state(
    tokens: list[Token], mention: Match, force: Force, own: Attributes, sizes: list[Quantity]
) -> Iterator[LabeledClaim]:
    """The claims of one mention under the force upon it."""
    statement = mention.meaning
    if not isinstance(statement, Statement) or force is Force.UNASSERTED:
        return
    denied = force >= Force.DENIED_WITH_DOUBT
    if statement.absent and denied and len(statement.findings) > 1:
        return
    if statement.findings == (Finding.NO_FINDING,) and denied:
        return
    absent = statement.absent != denied
    change = own.change
    if force is Force.RESOLVED:
        change = Change.RESOLVED
    elif absent:
        change = None
    size = None if absent else next((s for s in sizes if s.belongs_to(mention)), None)
    certainty = max(_CERTAINTY[force], statement.certainty, key=_DOUBT.index)
    severity = None if absent else own.severity()
    if statement.certainty is Certainty.POSSIBLE and severity is None and not absent:
        severity = Severity.MINIMAL
    for finding in statement.findings:
        yield LabeledClaim(
            finding=finding,
            polarity=Polarity.ABSENT if absent else Polarity.PRESENT,
            certainty=certainty,
            side=own.side(),
            region=own.region(),
            severity=severity,
            change=change,
            measurement=size.measurement if size else None,
            span=(tokens[mention.start].start, tokens[mention.end - 1].end),
        )


def _refined(claims: list[LabeledClaim]) -> Iterator[LabeledClaim]:
    """The claims of a sentence, with general findings made exact by what the sentence adds.

    A fracture of the ribs is a rib fracture; a nodule that is the nipple is a pseudonodule; the
    leads of a pacemaker are not another device.
    """
    nipple = any(claim.finding is Finding.NIPPLE_SHADOW and claim.present for claim in claims)
    devices = {c.polarity for c in claims if Finding.SUPPORT_DEVICE in ancestors(c.finding)}
    for claim in claims:
        if claim.finding is Finding.SUPPORT_DEVICE and claim.polarity in devices:
            continue
        exact = _EXACT.get((claim.finding, claim.region))
        if exact is not None:
            yield claim.model_copy(update={"finding": exact, "region": None})
        elif nipple and claim.finding is Finding.NODULE and claim.present:
            yield claim.model_copy(update={"finding": Finding.PSEUDONODULE})
        else:
            yield claim


def _ratios(
    tokens: list[Token], mentions: list[Match], sizes: list[Quantity]
) -> Iterator[LabeledClaim]:
    """Cardiomegaly from a cardiothoracic ratio, in a sentence that does not speak of it itself."""
    for mention in mentions:
        meaning = mention.meaning
        if isinstance(meaning, Statement) and Finding.CARDIOMEGALY in meaning.findings:
            return
    for size in sizes:
        if size.measurement.name == "cardiothoracic_ratio":
            yield LabeledClaim(
                finding=Finding.CARDIOMEGALY,
                polarity=Polarity.PRESENT if size.measurement.value > 0.5 else Polarity.ABSENT,
                measurement=size.measurement,
                span=(tokens[size.start].start, tokens[size.end - 1].end),
            )
