"""The symptom → disease set that CliniQure's writer is fine-tuned on (section 5.1).

It is FreedomIntelligence/Disease_Database on the Hugging Face hub, 9,233 entries: JSON, JSON lines
or CSV with the columns ``disease`` and ``common_symptom``. Nothing is downloaded here.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from findings.errors import UserInputError

HUB: Final = "FreedomIntelligence/Disease_Database"
ENTRIES: Final = 9_233
DISEASE: Final = ("disease", "Disease")
SYMPTOM: Final = ("common_symptom", "Common Symptom", "common symptom")
_SUFFIXES: Final = (".json", ".jsonl", ".csv")
_MOST_BYTES: Final = 200 << 20
_MOST_CHARACTERS: Final = 4_000
_VALIDATION_SHARE: Final = 10
"""One entry in ten is validated on; the paper does not state its split."""


@dataclass(frozen=True, slots=True)
class SymptomCase:
    """One entry."""

    symptoms: str
    disease: str

    @property
    def validation(self) -> bool:
        """Whether it is validated on: by its disease, so that no disease is in both parts."""
        digest = hashlib.sha256(self.disease.casefold().encode()).digest()
        return int.from_bytes(digest[:4]) % _VALIDATION_SHARE == 0


def read_diseases(data: Path) -> tuple[SymptomCase, ...]:
    """The entries of a file, or of the files of a folder in order of their names.

    Entries without symptoms or disease, and repeated ones, are passed over.

    Raises:
        UserInputError: there is no such file, it is damaged, or no entry has both columns.
    """
    if data.is_dir():
        files = sorted(path for path in data.iterdir() if path.suffix in _SUFFIXES)
    else:
        files = [data] if data.is_file() else []
    cases = tuple(dict.fromkeys(case for file in files for case in _cases(file)))
    if not cases:
        raise UserInputError(
            "There is no symptom and disease set there: give the folder of JSON or CSV files of "
            f"{HUB} (huggingface-cli download {HUB} --repo-type dataset), with the columns "
            "disease and common_symptom."
        )
    return cases


def _cases(file: Path) -> Iterator[SymptomCase]:
    for row in _rows(file):
        disease, symptoms = _field(row, DISEASE), _field(row, SYMPTOM)
        if disease and symptoms:
            yield SymptomCase(symptoms, disease)


def _rows(file: Path) -> Iterator[Mapping[str, object]]:
    if file.stat().st_size > _MOST_BYTES:
        raise UserInputError("A file of the disease set is far too large to be one; check it.")
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".csv":
            yield from csv.DictReader(text.splitlines())
            return
        found = (
            [json.loads(line) for line in text.splitlines() if line.strip()]
            if file.suffix == ".jsonl"
            else json.loads(text)
        )
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, csv.Error) as error:
        raise UserInputError(
            f"A file of the disease set cannot be read ({type(error).__name__}); get it again."
        ) from error
    yield from (row for row in found if isinstance(row, dict)) if isinstance(found, list) else ()


def _field(row: Mapping[str, object], names: tuple[str, ...]) -> str:
    value = next((row[name] for name in names if name in row), None)
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return " ".join(value.split())[:_MOST_CHARACTERS] if isinstance(value, str) else ""
