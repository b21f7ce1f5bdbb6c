"""What the conversation understands and says: `agents/data/conversation_<language>.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

from pydantic import Field

from findings.claims import Frozen
from findings.regions import Region
from findings.tokens import fold
from findings.vocabulary import Language


class Phrases(Frozen):
    """One language: patterns of questions, templates of answers, words for lists."""

    intents: dict[str, tuple[str, ...]] = Field(description="intent -> patterns, in order")
    continues: dict[str, tuple[str, ...]]
    sides: dict[str, tuple[str, ...]]
    idioms: dict[str, tuple[str, ...]] = Field(description="words that name no finding here")
    rereads: dict[str, str] = Field(description="wording of a question -> how a report says it")
    plain_talk: str = Field(description="words of an answer that state nothing of a patient")
    text: dict[str, str]
    words: dict[str, str]
    decisions: dict[str, str]
    measures: dict[str, str]
    measure_words: dict[str, tuple[str, ...]]
    region_words: dict[Region, tuple[str, ...]]
    plain: dict[str, str] = Field(description="finding -> lay words")
    causes: dict[str, str] = Field(description="finding -> differential, from general knowledge")
    steps: dict[str, str] = Field(description="finding -> usual next examination")

    def say(self, key: str, **values: object) -> str:
        """A template with its values put in. They are text from the draft and stay text."""
        return re.sub(r"\{(\w+)\}", lambda slot: str(values[slot[1]]), self.text[key]).strip()

    def without_idioms(self, text: str) -> str:
        """A question without the words that the labeler could wrongly take for a finding."""
        for pattern in self.idioms["patterns"]:
            text = _compiled(f"(?i){pattern}").sub(" ", text)
        return text

    def reread(self, text: str) -> str:
        """A folded question in the words of a report, so that the labeler finds its topic."""
        for pattern, wording in self.rereads.items():
            text = _compiled(pattern).sub(wording, text)
        return text


@cache
def phrases(language: Language) -> Phrases:
    """The phrases of a language."""
    file = resources.files("agents").joinpath("data", f"conversation_{language.value}.toml")
    return Phrases.model_validate(tomllib.loads(file.read_text("utf-8")))


def folded(text: str) -> str:
    """Lower case without accents and marks, blanks as one: what patterns are matched to."""
    words = " ".join(fold(word) for word in text.split())
    return re.sub(r"[¿?¡!“”\"«».,;]+", " ", words).strip()


def matches(patterns: tuple[str, ...], text: str) -> bool:
    """Whether any pattern is found in a folded text."""
    return bool(patterns) and _either(patterns).search(text) is not None


@cache
def _either(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """The patterns as one, compiled once: they are more than the regular-expression cache holds."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
