"""Sentences of a report: where they end, and whether their section asserts findings."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final, NamedTuple

from findings.tokens import Token

LONGEST: Final = 200
"""Words after which a sentence is cut, so that work per sentence stays bounded."""

_ENDS: Final = frozenset(".;!?•")
_ABBREVIATED: Final = frozenset(
    {"dr", "dra", "vs", "approx", "aprox", "mr", "mrs", "ms", "st", "etc", "sr", "sra", "no", "fig"}
)


class Sentence(NamedTuple):
    """The tokens of one sentence, and whether its section states what is seen."""

    tokens: list[Token]
    asserted: bool


def split_sentences(
    tokens: list[Token], asserting: Set[str], other: Set[str]
) -> Iterator[Sentence]:
    """Sentences in order.

    A sentence ends at a full stop, a semicolon, an empty line, or a line that opens a section or a
    list item. Headings ("Indication:") switch whether what follows is asserted: `asserting` and
    `other` hold the folded heading texts.
    """
    asserted = True
    current: list[Token] = []
    count = len(tokens)
    index = 0
    while index < count:
        token = tokens[index]
        if token.text == "\n":
            if current and _line_ends_sentence(tokens, index, current):
                yield Sentence(current, asserted)
                current = []
            index += 1
            continue
        at_start = not current
        if at_start and (heading := _heading(tokens, index, asserting, other)):
            index, asserted = heading
            continue
        if token.text in _ENDS and not _inside_sentence(tokens, index, current):
            if current:
                yield Sentence(current, asserted)
                current = []
        else:
            current.append(token)
            if len(current) >= LONGEST:
                yield Sentence(current, asserted)
                current = []
        index += 1
    if current:
        yield Sentence(current, asserted)


def _line_ends_sentence(tokens: list[Token], index: int, current: list[Token]) -> bool:
    """True at an empty line, and before a line that starts a list item or is a new heading."""
    if index + 1 >= len(tokens):
        return True
    following = tokens[index + 1]
    if following.text in {"\n", "-", "*", "•", "–"} or following.text.isdigit():
        return True
    if current[-1].text == ":":
        return False
    return any(tokens[later].text == ":" for later in range(index + 2, min(index + 5, len(tokens))))


def _heading(
    tokens: list[Token], index: int, asserting: Set[str], other: Set[str]
) -> tuple[int, bool] | None:
    """The index after "Heading:" and what it switches to, if one begins at `index`."""
    words: list[str] = []
    for place in range(index, min(index + 5, len(tokens))):
        text = tokens[place].text
        if text == ":":
            name = " ".join(words)
            if name in asserting:
                return place + 1, True
            if name in other:
                return place + 1, False
            return None
        words.append(text)
    return None


def _inside_sentence(tokens: list[Token], index: int, current: list[Token]) -> bool:
    """True where a full stop belongs to an abbreviation or a list number."""
    if tokens[index].text != ".":
        return False
    if not current:
        return False
    before = current[-1]
    if before.end != tokens[index].start:
        return False
    if before.text in _ABBREVIATED and before.text != "no":
        return True
    return before.text.isdigit() and len(current) == 1
