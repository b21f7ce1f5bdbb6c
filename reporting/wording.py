"""Planned statements into words: agreement, articles, lists, hedges, changes and measurements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from findings.catalogue import FindingGroup, describe
from findings.claims import Claim, Measurement
from findings.regions import Region, region_side, sided_region
from findings.vocabulary import Certainty, Change, Language, Side
from reporting.entailment import decimals
from reporting.phrasebook import Noun, PhraseBook, agree, phrase_book
from reporting.places import LATERAL, home
from reporting.planning import Kind, Statement, Topic


def format_number(measurement: Measurement, language: Language) -> str:
    """A measured value as reports print it, with the language's decimal sign."""
    text = f"{measurement.value:.{decimals(measurement)}f}"
    return text.replace(".", phrase_book(language).words["decimal"])


class Wording:
    """Words statements in one language; equal statements and seed give equal words."""

    def __init__(self, language: Language, seed: int = 0) -> None:
        self._book: PhraseBook = phrase_book(language)
        self._seed = seed

    def sentence(self, statement: Statement, *, impression: bool = False) -> str:
        """The text of one statement, capitalised and closed."""
        text = self._text(statement, impression)
        return _capitalised(re.sub(r"\s+([,.;)])", r"\1", " ".join(text.split())))

    def fixed(self, key: str) -> str:
        """A sentence that states no finding."""
        return self._book.fixed[key]

    def _text(self, statement: Statement, impression: bool) -> str:
        book, head = self._book, statement.heads[0]
        match statement.kind:
            case Kind.NORMAL_STUDY:
                return book.fixed["normal"]
            case Kind.RESOLVED:
                key = "removed" if statement.topic is Topic.DEVICES else "resolved"
                return self._fill(self._choose(book.absent[key], statement), head)
            case Kind.NORMAL_STATE:
                pattern = self._choose(book.states[head.finding]["normal"], statement)
                return pattern.format(measured=self._measured(head))
            case Kind.NEGATIVES:
                return self._denial(statement)
            case Kind.UNDECIDED:
                return self._undecided(statement)
            case _:
                return self._affirmation(statement, impression)

    def _choose(self, patterns: Sequence[str], statement: Statement) -> str:
        key = f"{self._seed}:{statement.kind}:{statement.entries[0].id}".encode()
        return patterns[int.from_bytes(hashlib.sha256(key).digest()[:4], "big") % len(patterns)]

    def _affirmation(self, statement: Statement, impression: bool) -> str:
        head, book = statement.heads[0], self._book
        patterns = (book.impression if impression else book.present)[head.certainty.value]
        if head.measurement is not None and head.certainty is Certainty.DEFINITE:
            patterns = book.present["measured"]
        states = book.states.get(head.finding, {}).get("present", ())
        if states and not impression and self._can_be_state(head):
            degree = book.degree[head.severity.value] if head.severity else ""
            tail = self._measured(head) + self._changed(statement)
            return self._choose(states, statement).format(degree=degree, tail=tail)
        tail = self._measured(head) + self._changed(statement)
        return self._fill(self._choose(patterns, statement), head, tail)

    @staticmethod
    def _can_be_state(head: Claim) -> bool:
        whole = head.side in (None, Side.MIDLINE)
        placed = head.region is not None and head.region not in home(head.finding)
        plain = head.certainty is Certainty.DEFINITE and head.change is not Change.NEW
        return whole and plain and not placed

    def _denial(self, statement: Statement) -> str:
        heads = statement.heads
        pattern = self._choose(self._book.absent[heads[0].certainty.value], statement)
        listed = self._listed(heads, self._book.words["nor"])
        plural = self._is_plural(self._book.noun(heads[0].finding), heads[0])
        listed += self._measured(heads[0])
        return pattern.format(list=listed, **self._verbs(plural))

    def _undecided(self, statement: Statement) -> str:
        """A sentence that a reader of reports must not take for a claim."""
        book, heads = self._book, statement.heads
        pattern = book.undecided.get(heads[0].finding.value, book.undecided["default"])
        why = book.doubt[statement.doubt.value] if statement.doubt else ""
        return pattern.format(list=self._listed(heads, book.words["or"]), why=why)

    def _listed(self, heads: Sequence[Claim], last: str) -> str:
        items = [self._noun_phrase(head, in_denial=True) for head in heads]
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"

    def _verbs(self, plural: bool) -> dict[str, str]:
        return {name: forms[plural] for name, forms in self._book.verbs.items()}

    def _fill(self, pattern: str, head: Claim, tail: str = "") -> str:
        noun = self._book.noun(head.finding)
        plural = self._is_plural(noun, head)
        phrase = self._noun_phrase(head)
        return pattern.format(
            np=phrase, a_np=self._with_article(phrase, noun, head), tail=tail, **self._verbs(plural)
        )

    def _noun_phrase(self, head: Claim, *, in_denial: bool = False) -> str:
        book, noun = self._book, self._book.noun(head.finding)
        side, place = self._place(head)
        plural = self._is_plural(noun, head)

        def form(forms: tuple[str, str, str, str]) -> str:
            return agree(forms, noun.gender, plural)

        name, beside = noun.noun, ""
        if place and noun.placed:
            name = noun.placed
        if side is Side.BILATERAL and noun.both and not place:
            name = noun.both
        elif "{side}" in name:
            word = agree(book.sides[side.value], "m", False) if side else ""
            name = name.format(side=word)
        elif side is not None:
            beside = form((book.sides if noun.beside else book.sided)[side.value])
        severity = ""
        if head.severity is not None and not in_denial:
            severity = form(book.severity[noun.scale][head.severity.value])
        new = form(book.new) if head.change is Change.NEW and not in_denial else ""
        return " ".join(
            book.order.format(
                new=new, severity=severity, side=beside, noun=name, place=place
            ).split()
        )

    def _place(self, head: Claim) -> tuple[Side | None, str]:
        """The side to be said beside the noun, and the phrase of the region (either may lack)."""
        side: Side | None = None if head.side is Side.MIDLINE else head.side
        region = head.region
        noun = self._book.noun(head.finding)
        if region is not None:
            own = region_side(region)
            side = own if own in LATERAL else side
            if region in home(head.finding):
                region = None
        if region is None:
            lungs = {Side.LEFT: Region.LEFT_LUNG, Side.RIGHT: Region.RIGHT_LUNG}
            in_lungs = describe(head.finding).group is FindingGroup.LUNGS
            if side in lungs and in_lungs and not noun.beside:
                return None, self._book.regions[lungs[side]]
            return side, ""
        return self._region_phrase(region, side)

    def _region_phrase(self, region: Region, side: Side | None) -> tuple[Side | None, str]:
        if side in LATERAL:
            region = sided_region(region, side)
        phrase = self._book.regions[region]
        own = region_side(region)
        if own in LATERAL or own is Side.BILATERAL:
            return None, phrase
        if "{" not in phrase:
            return side, phrase
        if side not in LATERAL:
            return side, self._side_slots(phrase, None)
        return None, self._side_slots(phrase, side)

    def _side_slots(self, phrase: str, side: Side | None) -> str:
        forms = self._book.sides[side.value] if side else ("", "", "", "")
        ms, fs, mp, fp = forms
        return phrase.format(side=ms, side_f=fs, side_mp=mp, side_fp=fp)

    def _is_plural(self, noun: Noun, head: Claim) -> bool:
        side, place = self._place(head)
        return noun.plural or bool(
            side is Side.BILATERAL and noun.both and not place and not noun.mass
        )

    def _with_article(self, phrase: str, noun: Noun, head: Claim) -> str:
        if noun.mass or (self._is_plural(noun, head) and self._book.language is Language.ENGLISH):
            return phrase
        article = agree(self._book.articles, noun.gender, self._is_plural(noun, head))
        if self._book.language is Language.ENGLISH and phrase[0].lower() in "aeiou":
            article = "an"
        return f"{article} {phrase}"

    def _changed(self, statement: Statement) -> str:
        change = statement.heads[0].change
        if change is None or change in (Change.NEW, Change.RESOLVED):
            return ""
        noun = self._book.noun(statement.heads[0].finding)
        plural = self._is_plural(noun, statement.heads[0])
        text = self._choose(self._book.change[change.value], statement)
        return text.format(a="a" if noun.gender == "f" else "o", s="s" if plural else "")

    def _measured(self, head: Claim) -> str:
        measurement, book = head.measurement, self._book
        if measurement is None:
            return ""
        kind = "ratio" if measurement.unit == "1" else "length"
        if measurement.unit not in ("1", "mm", "cm"):
            kind = "other"
        return book.measurement[kind].format(
            name=book.names.get(measurement.name, measurement.name.replace("_", " ")),
            value=format_number(measurement, book.language),
            unit=book.units.get(measurement.unit, measurement.unit),
            provenance=book.provenance[measurement.provenance.value],
        )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
