"""Words of crude reports and their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PADDING: Final = 0
START: Final = 1
END: Final = 2
UNKNOWN: Final = 3
SPECIAL: Final = ("<padding>", "<start>", "<end>", "<unknown>")

_WORD: Final = re.compile(r"[a-z0-9]+(?:[-'/][a-z0-9]+)*|[.,]")
_LONGEST_WORD: Final = 40
_MOST_WORDS: Final = 50_000


def split_words(text: str) -> list[str]:
    """Lower-case words, full stops and commas of a text; whatever else it holds is left out."""
    return [word for word in _WORD.findall(text.lower()) if len(word) <= _LONGEST_WORD]


class Vocabulary(BaseModel):
    """The words that a generator knows, after the four special ones; JSON by pydantic's means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...] = Field(max_length=_MOST_WORDS)

    @model_validator(mode="after")
    def _holds_words_once(self) -> Self:
        if len(set(self.words)) != len(self.words):
            raise ValueError("a word occurs twice")
        if any(len(word) > _LONGEST_WORD or not _WORD.fullmatch(word) for word in self.words):
            raise ValueError("a vocabulary holds lower-case words, full stops and commas only")
        return self

    @classmethod
    def of(cls, texts: Iterable[str], least_count: int) -> Vocabulary:
        """The words that occur at least ``least_count`` times, in alphabetical order.

        R2GenCMN takes 3 for IU X-Ray and 10 for MIMIC-CXR.
        """
        counts = Counter(word for text in texts for word in split_words(text))
        return cls(words=tuple(sorted(word for word, n in counts.items() if n >= least_count)))

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.words)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, len(SPECIAL))}

    def knows(self, text: str) -> bool:
        """Whether every word of the text has a number."""
        return all(word in self._numbers for word in split_words(text))

    def encode(self, text: str) -> list[int]:
        """Numbers of the text's words, without start and end."""
        return [self._numbers.get(word, UNKNOWN) for word in split_words(text)]

    def sentences(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """The text behind the numbers, up to the first end: sentences with their full stops."""
        found: list[str] = []
        current = ""
        for number in numbers:
            if number == END:
                break
            if number < len(SPECIAL):
                continue
            word = self.words[number - len(SPECIAL)]
            if word in ".,":
                current = current.rstrip(",") + word if current else ""
            else:
                current = f"{current} {word}" if current else word
            if word == "." and current:
                found.append(_capitalised(current))
                current = ""
        if rest := current.rstrip(","):
            found.append(_capitalised(rest + "."))
        return tuple(found)


def _capitalised(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
