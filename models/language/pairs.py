"""Training pairs on disk: JSON lines of prompts with answers, or with a better and a worse."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import Field, ValidationError

from findings.claims import Frozen
from findings.errors import ReportError
from findings.vocabulary import Language

PAIRS_FILE: Final = "pairs.jsonl"
PREFERENCES_FILE: Final = "preferences.jsonl"
_MOST_LINES: Final = 2_000_000
_MOST_CHARACTERS: Final = 200_000


class Part(StrEnum):
    """The part of the data that a patient belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held_out"


class Form(StrEnum):
    """How much is written at once."""

    SENTENCE = "sentence"
    REPORT = "report"


class Turn(Frozen):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class _Asked(Frozen):
    """What every training example says of itself."""

    id: str = Field(description="of the example: the report's id and a number")
    patient: str = Field(description="the patient's key within the corpus")
    part: Part
    language: Language
    form: Form
    origin: str = Field(description="how the answer came about; the data card explains the names")
    prompt: tuple[Turn, ...] = Field(min_length=1)


class Pair(_Asked):
    """A prompt and the answer to it."""

    answer: str = Field(min_length=1)


class Preference(_Asked):
    """A prompt with an answer that is right and one that is wrong in a known way."""

    chosen: str = Field(min_length=1)
    rejected: str = Field(min_length=1)


Example = TypeVar("Example", Pair, Preference)


def write_examples(path: Path, examples: Iterable[Pair | Preference]) -> int:
    """Write examples as JSON lines, whole or not at all; returns how many."""
    draft = path.with_name(f"{path.name}.unfinished")
    count = 0
    with draft.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(example.model_dump_json() + "\n")
            count += 1
    draft.replace(path)
    return count


def read_examples(path: Path, kind: type[Example]) -> tuple[Example, ...]:
    """The examples of a file. Raises `ReportError` where it is absent or a line is damaged."""
    found: list[Example] = []
    try:
        with path.open(encoding="utf-8") as file:
            while len(found) < _MOST_LINES and (line := file.readline(_MOST_CHARACTERS)):
                found.append(kind.model_validate_json(line))
    except OSError as error:
        raise ReportError(
            f"The tuning data have no {path.name}. Make them with 'readingroom tune data'."
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise ReportError(
            f"Line {len(found) + 1} of {path.name} is no training example "
            f"({type(error).__name__}). Make the data again with 'readingroom tune data'."
        ) from error
    return tuple(found)
