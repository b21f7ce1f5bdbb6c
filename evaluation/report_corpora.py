"""Reports with reference labels: PadChest's physician labels and Open-i's MeSH tags.

Both corpora are read out of the torchxrayvision wheel, which is opened as a zip file, or out of the
folder that `readingroom models pull report-corpora` made of it. Patients are split by a hash of
their identifier into a development part and a held-out part.
"""

from __future__ import annotations

import ast
import csv
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.etree import ElementTree

from findings.label_maps import Dataset, finding_of, openi_finding, openi_side
from findings.vocabulary import Finding, Language, Side

PADCHEST_TABLE: Final = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
OPENI_REPORTS: Final = "NLMCXR_reports.tgz"
_WHEEL_FOLDER: Final = "torchxrayvision/data"
_HELD_OUT_BELOW: Final = 102
"""Of 256: four patients in ten are held out."""
_REPORT_BYTES: Final = 1 << 20
_MISSING: Final = re.compile(r"\bnan\b")


class Part(StrEnum):
    """The part of a corpus that a patient belongs to."""

    DEVELOPMENT = "development"
    HELD_OUT = "held-out"


class Example(NamedTuple):
    """One report of a corpus with its reference labels."""

    patient: str
    text: str
    language: Language
    findings: frozenset[Finding]
    sides: dict[Finding, Side]
    labels: tuple[str, ...]


def part_of(patient: str) -> Part:
    """Which part a patient belongs to, by hash, so that it never changes."""
    first = hashlib.sha256(patient.encode()).digest()[0]
    return Part.HELD_OUT if first < _HELD_OUT_BELOW else Part.DEVELOPMENT


@contextmanager
def _opened(source: Path, name: str) -> Iterator[IO[bytes]]:
    """A file of the corpora, from the wheel or from the folder."""
    if source.is_dir():
        with (source / name).open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(source) as archive, archive.open(f"{_WHEEL_FOLDER}/{name}") as member:
        yield member


def padchest_examples(source: Path) -> Iterator[Example]:
    """The PadChest reports with labels made by physicians, each report once."""
    seen: set[str] = set()
    with (
        _opened(source, PADCHEST_TABLE) as packed,
        gzip.open(packed, "rt", encoding="utf-8", newline="") as lines,
    ):
        for row in csv.DictReader(lines):
            if row["MethodLabel"] != "Physician" or row["StudyID"] in seen:
                continue
            seen.add(row["StudyID"])
            labels = _literal(row["Labels"])
            findings = {finding_of(Dataset.PADCHEST, label) for label in labels} - {None}
            yield Example(
                patient=row["PatientID"],
                text=row["Report"],
                language=Language.SPANISH,
                findings=frozenset(f for f in findings if f is not None),
                sides=_padchest_sides(row["LabelsLocalizationsBySentence"]),
                labels=tuple(labels),
            )


def openi_examples(source: Path) -> Iterator[Example]:
    """The Open-i reports that have MeSH tags, findings and impression together."""
    with (
        _opened(source, OPENI_REPORTS) as packed,
        tarfile.open(fileobj=io.BytesIO(packed.read()), mode="r:gz") as reports,
    ):
        for member in reports:
            stream = reports.extractfile(member) if member.isfile() else None
            if stream is None or not member.name.endswith(".xml"):
                continue
            example = _openi_example(ElementTree.fromstring(stream.read(_REPORT_BYTES)))
            if example is not None:
                yield example


def _literal(text: str) -> list[str]:
    """A Python list of strings as PadChest prints it; empty where it is missing or malformed."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    return [str(item).strip() for item in value] if isinstance(value, list) else []


def _padchest_sides(by_sentence: str) -> dict[Finding, Side]:
    """The side of each finding whose sentence names one finding and one side."""
    try:
        sentences = ast.literal_eval(_MISSING.sub("''", by_sentence))
    except (ValueError, SyntaxError):
        return {}
    sides: dict[Finding, Side] = {}
    for sentence in sentences:
        if not isinstance(sentence, list):
            continue
        words = {str(item).strip() for item in sentence}
        named = [finding_of(Dataset.PADCHEST, word) for word in words if word[:4] != "loc "]
        places = [Side(word[4:]) for word in words if word in {"loc left", "loc right"}]
        if "loc bilateral" in words:
            places = [Side.BILATERAL]
        if len(named) == 1 and named[0] is not None and len(places) == 1:
            sides[named[0]] = places[0]
    return sides


def _openi_example(report: ElementTree.Element) -> Example | None:
    tags = [tag.text or "" for tag in report.iter("major")]
    if not tags or any(tag in {"No Indexing", ""} for tag in tags):
        return None
    sections = [
        element.text
        for element in report.iter("AbstractText")
        if element.get("Label") in {"FINDINGS", "IMPRESSION"} and element.text
    ]
    identity = report.find("uId")
    sides: dict[Finding, Side] = {}
    for tag in tags:
        finding, side = openi_finding(tag), openi_side(tag)
        if finding is not None and side is not None:
            sides[finding] = Side.BILATERAL if sides.get(finding, side) is not side else side
    return Example(
        patient=(identity.get("id") or "") if identity is not None else "",
        text="\n\n".join(sections),
        language=Language.ENGLISH,
        findings=frozenset(f for f in map(openi_finding, tags) if f is not None),
        sides=sides,
        labels=tuple(tags),
    )
