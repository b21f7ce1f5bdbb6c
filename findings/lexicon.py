"""The labeler's lexicon: patterns from a data file, compiled once, matched word by word.

A pattern is a row of words. `word` stands for itself, `word*` for every word that begins so,
`a|b*` for either, a trailing `?` makes a word optional, and `...` skips up to four words that are
neither marks nor links. Articles and the like (`fillers`) are taken out of text beforehand.
Because Spanish entries are written as beginnings of words, they read
natural Spanish and the truncated Spanish of PadChest alike.

Matching walks a trie over word classes: each word of the text is classified once (and remembered),
so the time is linear in the length of the text whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from findings.catalogue import load_toml
from findings.regions import Region
from findings.tokens import Token
from findings.vocabulary import Certainty, Change, Finding, Language, Severity, Side

GAP: Final = 4
_MEMORY: Final = 1 << 16


class Cue(Enum):
    """Words that change how the findings around them are meant."""

    NEGATION_BEFORE = "negation_before"
    NEGATION_AFTER = "negation_after"
    DOUBTFUL_NEGATION_BEFORE = "doubtful_negation_before"
    DOUBTFUL_NEGATION_AFTER = "doubtful_negation_after"
    PROBABLE_BEFORE = "probable_before"
    PROBABLE_AFTER = "probable_after"
    POSSIBLE_BEFORE = "possible_before"
    POSSIBLE_AFTER = "possible_after"
    RESOLVED_BEFORE = "resolved_before"
    RESOLVED_AFTER = "resolved_after"
    UNASSERTED_BEFORE = "unasserted_before"
    UNASSERTED_AFTER = "unasserted_after"
    TERMINATOR = "terminator"
    NEUTRAL = "neutral"


class Lobe(Enum):
    """A lobe whose side is said elsewhere in the sentence."""

    UPPER = "upper"
    LOWER = "lower"


class Statement(NamedTuple):
    """What a phrase states when nothing around it changes that."""

    findings: tuple[Finding, ...]
    absent: bool
    certainty: Certainty = Certainty.DEFINITE


class Place(NamedTuple):
    """Where a phrase says that something lies."""

    region: Region | Lobe | None
    side: Side | None


class MeasureName(NamedTuple):
    """A phrase that names what a number near it measures."""

    name: str


Meaning = Statement | Place | Severity | Change | Cue | MeasureName


class Match(NamedTuple):
    """A phrase found in a sentence: half-open token span, the words it is made of, its meaning."""

    start: int
    end: int
    words: tuple[int, ...]
    meaning: Meaning


class WordSet(NamedTuple):
    """Words, and beginnings of words (`lev*`)."""

    exact: frozenset[str]
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, words: list[str]) -> WordSet:
        """The set of a list as it stands in the lexicon."""
        beginnings = tuple(word[:-1] for word in words if word.endswith("*"))
        return cls(frozenset(word for word in words if not word.endswith("*")), beginnings)

    def holds(self, word: str) -> bool:
        """True for a word of the set."""
        return word in self.exact or word.startswith(self.beginnings)


class _Node:
    __slots__ = ("edges", "gap", "meanings")

    def __init__(self) -> None:
        self.edges: dict[int, _Node] = {}
        self.gap: _Node | None = None
        self.meanings: list[Meaning] = []


class Lexicon:
    """The compiled lexicon of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        data = load_toml(f"lexicon_{language.value}.toml")
        words = data["words"]
        self.links: Final = frozenset(words["links"])
        self.alternatives: Final = frozenset(words["alternatives"])
        self.verbs: Final = frozenset(words["verbs"])
        self.prepositions: Final = frozenset(words["prepositions"])
        self.fillers: Final = frozenset(words["fillers"])
        self.asserting: Final = frozenset(words["asserting_headings"])
        self.other: Final = frozenset(words["other_headings"])
        self.conjunctions: Final = frozenset(words["conjunctions"])
        self.denying_links: Final = frozenset(words["denying_links"])
        self.breaks: Final = WordSet.of(words["breaks"])
        self.carriers: Final = frozenset(words["carriers"])
        self.sizes: Final = WordSet.of(words["sizes"])
        self.exceptions: Final = frozenset(words["exceptions"])
        self.list_links: Final = self.conjunctions | self.alternatives | self.denying_links
        self.paired: Final = frozenset(words["paired"])
        self.plural_verbs: Final = frozenset(words["plural_verbs"])
        self.units: Final[dict[str, str]] = data["units"]
        self.tell_tale: Final = frozenset(words["tell_tale"])
        self._symbols: dict[str, int] = {}
        self._exact: dict[str, list[int]] = {}
        self._prefixes: dict[str, list[int]] = {}
        self._longest_prefix = 0
        self._root = _Node()
        self._classified: dict[str, tuple[int, ...]] = {}
        self._add_all(data)

    def _add_all(self, data: dict[str, dict[str, list[str]]]) -> None:
        for name, patterns in data["findings"].items():
            self._add(patterns, Statement((Finding(name),), absent=False))
        for name, patterns in data.get("possible_findings", {}).items():
            self._add(patterns, Statement((Finding(name),), False, Certainty.POSSIBLE))
        for name, patterns in data.get("doubtful_normal", {}).items():
            self._add(patterns, Statement((Finding(name),), True, Certainty.PROBABLE))
        for names, patterns in data["normal"].items():
            findings = tuple(Finding(name) for name in names.split())
            self._add(patterns, Statement(findings, absent=findings != (Finding.NO_FINDING,)))
        for name, patterns in data["sides"].items():
            self._add(patterns, Place(None, Side(name)))
        for name, patterns in data["places"].items():
            region, _, side = name.partition(" ")
            lobe = region.removesuffix("_lobe")
            self._add(
                patterns,
                Place(
                    Lobe(lobe) if lobe in ("upper", "lower") else Region(region),
                    Side(side) if side else None,
                ),
            )
        for name, patterns in data["severity"].items():
            self._add(patterns, Severity(name))
        for name, patterns in data["change"].items():
            self._add(patterns, Change(name))
        for name, patterns in data["cues"].items():
            self._add(patterns, Cue(name))
        for name, patterns in data["measures"].items():
            self._add(patterns, MeasureName(name))

    def _add(self, patterns: list[str], meaning: Meaning) -> None:
        for pattern in patterns:
            words = [word for word in pattern.split() if word.rstrip("?") not in self.fillers]
            choices = [(word[:-1], None) if word.endswith("?") else (word,) for word in words]
            for chosen in product(*choices):
                node = self._root
                for word in chosen:
                    if word == "...":
                        node.gap = node.gap or _Node()
                        node = node.gap
                    elif word is not None:
                        node = node.edges.setdefault(self._symbol(word), _Node())
                if node is not self._root and meaning not in node.meanings:
                    node.meanings.append(meaning)

    def _symbol(self, word: str) -> int:
        symbol = self._symbols.get(word)
        if symbol is None:
            symbol = self._symbols[word] = len(self._symbols)
            for choice in word.split("|"):
                if choice.endswith("*") and len(choice) > 1:
                    self._prefixes.setdefault(choice[:-1], []).append(symbol)
                    self._longest_prefix = max(self._longest_prefix, len(choice) - 1)
                else:
                    self._exact.setdefault(choice, []).append(symbol)
        return symbol

    def classify(self, word: str) -> tuple[int, ...]:
        """The word classes of the lexicon that a folded word belongs to."""
        known = self._classified.get(word)
        if known is None:
            found = list(self._exact.get(word, ()))
            for length in range(1, min(len(word), self._longest_prefix) + 1):
                found.extend(self._prefixes.get(word[:length], ()))
            known = tuple(found)
            if len(self._classified) >= _MEMORY:
                self._classified.clear()
            self._classified[word] = known
        return known

    def find(self, tokens: list[Token]) -> list[Match]:
        """Every phrase of the lexicon in a sentence without fillers, overlapping ones included."""
        classes = [self.classify(token.text) for token in tokens]
        matches: list[Match] = []
        root = self._root.edges
        for start, symbols in enumerate(classes):
            for symbol in symbols:
                node = root.get(symbol)
                if node is not None:
                    matches.extend(self._walk(tokens, classes, start, node))
        return matches

    def _walk(
        self, tokens: list[Token], classes: list[tuple[int, ...]], start: int, node: _Node
    ) -> Iterator[Match]:
        """Matches that begin with `node` at `start`."""
        states: list[tuple[_Node, tuple[int, ...], int]] = [(node, (start,), 0)]
        place = start + 1
        while states:
            following: list[tuple[_Node, tuple[int, ...], int]] = []
            for state, words, skipped in states:
                if not skipped:
                    for meaning in state.meanings:
                        yield Match(start, place, words, meaning)
                if place >= len(tokens):
                    continue
                symbols = classes[place]
                if skipped == 0 or state.gap is None:
                    for symbol in symbols:
                        reached = state.edges.get(symbol)
                        if reached is not None:
                            following.append((reached, (*words, place), 0))
                if state.gap is not None and not skipped:
                    for symbol in symbols:
                        reached = state.gap.edges.get(symbol)
                        if reached is not None:
                            following.append((reached, (*words, place), 0))
                    if self._skippable(tokens[place].text):
                        following.append((state.gap, words, 1))
                elif skipped and skipped < GAP and self._skippable(tokens[place].text):
                    following.append((state, words, skipped + 1))
            states = following
            place += 1

    def _skippable(self, word: str) -> bool:
        return word[0].isalnum() and word not in self.links


@cache
def load_lexicon(language: Language) -> Lexicon:
    """The lexicon of a language, compiled on first use."""
    return Lexicon(language)
