"""Headings and words of printed reports and pictures, in the languages of the reports."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from findings.claims import Frozen
from findings.vocabulary import Language


class Labels(Frozen):
    """`data/labels_<language>.toml`, validated."""

    language: Language
    title: str
    notice: str
    notice_signed: str
    signed_by: str
    meta: str
    none: str
    status: dict[str, str]
    writer: dict[str, str]
    sections: dict[str, str]
    topics: dict[str, str]
    headings: dict[str, str]
    columns: dict[str, str]
    sides: dict[str, str]
    decisions: dict[str, str]
    kinds: dict[str, str]
    disagreement: dict[str, str]
    provenance: dict[str, str]
    gate: dict[str, str]
    experts: dict[str, str]
    roles: dict[str, str]
    limits: dict[str, str]
    counts: dict[str, str]
    overlay: dict[str, str]
    measurement_names: dict[str, str]


@cache
def labels(language: Language) -> Labels:
    """The words of a language, read once."""
    name = f"labels_{language.value}.toml"
    text = resources.files("reporting").joinpath("data", name).read_text("utf-8")
    return Labels.model_validate({"language": language, **tomllib.loads(text)})
