"""Open-i: Indiana University radiographs, reports, MeSH tags (Demner-Fushman, JAMIA 2016)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from findings.claims import Claim
from findings.errors import UserInputError
from findings.label_maps import openi_finding, openi_findings, openi_side
from findings.vocabulary import Finding, Language
from imaging.study import View
from models.datasets.dataset import DatasetCard, DatasetReader, Mark
from models.datasets.labels import closed
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelOrigin, LabelState, RadiographRecord, ReportText
from models.datasets.tables import files_by_name, find_table, read_table
from models.datasets.views import view_of

_ARCHIVE: Final = "NLMCXR_reports.tgz"
_VIEWS: Final = "nlmcxr_dicom_metadata.csv"
_LARGEST: Final = 1 << 20
_MOST_REPORTS: Final = 100_000
_SECTIONS: Final = ("INDICATION", "COMPARISON", "FINDINGS", "IMPRESSION")


@dataclass
class _Report:
    """What one XML file says."""

    identifier: str = ""
    sections: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


class OpenI(DatasetReader):
    """`NLMCXR_reports.tgz` or the XML files out of it, with images such as `CXR1_IM-0001-3001.png`.

    The MeSH tags were given by people who read the reports, so a finding without a tag is absent.
    One examination of each patient. A report file tells no image's view; where
    `nlmcxr_dicom_metadata.csv` lies in the folder, views are taken from it. No split is published.
    """

    mark = Mark.FILE_NAMES
    card = DatasetCard(
        name="openi",
        title="Open-i Indiana University chest X-rays",
        home="https://openi.nlm.nih.gov/faq#collection",
        terms="CC BY-NC-ND 4.0 (stated in the report files)",
        cite="Demner-Fushman et al., JAMIA 23, 2016",
        layout=(
            "NLMCXR_reports.tgz, or its *.xml files at any depth",
            "*.png (or .dcm, .jpg) named by the image id, at any depth",
            "nlmcxr_dicom_metadata.csv (views)",
        ),
    )

    def missing(self, folder: Path) -> tuple[str, ...]:
        """See `DatasetReader`."""
        if (folder / _ARCHIVE).is_file():
            return ()
        for pattern in ("*.xml", "*/*.xml", "*/*/*.xml"):
            first = next(folder.glob(pattern), None)
            if first is not None:
                return () if _parse(_content(first)) else ("its XML files are no Open-i reports",)
        return (f"there is neither {_ARCHIVE} nor any XML file",)

    def read(self, folder: Path, notes: Notes) -> Iterator[RadiographRecord]:
        """See `DatasetReader`."""
        views = _read_views(folder, notes)
        files = files_by_name(folder, (".png", ".dcm", ".jpg", ".jpeg"), notes)
        images = {path.stem: path for path in files.values()}
        for content in _contents(folder, notes):
            report = _parse(content)
            if report is None:
                notes.add(Problem.BROKEN_FILE)
                continue
            text = "\n".join(
                f"{name.capitalize()}: {report.sections[name]}"
                for name in _SECTIONS
                if report.sections.get(name)
            )
            labels, claims = _labels(report.tags, notes)
            for image_id in report.images:
                yield RadiographRecord(
                    source=self.card.name,
                    image_id=image_id,
                    image=images.get(image_id, folder / "absent"),
                    patient=report.identifier,
                    study=report.identifier,
                    view=views.get(image_id, View.UNKNOWN),
                    labels=labels,
                    origin=LabelOrigin.REPORT_READERS,
                    claims=claims,
                    report=ReportText(text, Language.ENGLISH) if text else None,
                )


def _labels(
    tags: list[str], notes: Notes
) -> tuple[Mapping[Finding, LabelState], tuple[Claim, ...]]:
    claims: dict[Claim, None] = {}
    for tag in tags:
        finding = openi_finding(tag)
        if finding is None:
            notes.unmapped_label(tag.partition("/")[0])
        else:
            claims[Claim(finding=finding, side=openi_side(tag))] = None
    if not tags:
        return {}, ()
    return closed(openi_findings(), (claim.finding for claim in claims)), tuple(claims)


def _read_views(folder: Path, notes: Notes) -> dict[str, View]:
    table = find_table(folder, _VIEWS)
    if table is None:
        return {}
    rows = read_table(table, ("imageid", "View Position"), notes)
    return {row["imageid"]: view_of(row["View Position"]) for row in rows}


def _contents(folder: Path, notes: Notes) -> Iterator[bytes]:
    archive = folder / _ARCHIVE
    if not archive.is_file():
        for path in files_by_name(folder, (".xml",), notes).values():
            yield _content(path)
        return
    try:
        with tarfile.open(archive, "r|gz") as opened:
            for count, member in enumerate(opened):
                if count >= _MOST_REPORTS:
                    return
                if member.isfile() and member.name.endswith(".xml") and member.size <= _LARGEST:
                    stream = opened.extractfile(member)
                    if stream is not None:
                        yield stream.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UserInputError(
            f"The archive {_ARCHIVE} cannot be read; it is damaged or cut off. Get a complete copy."
        ) from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""


class _UnwantedDeclarationError(Exception):
    """The document declares what no report needs."""


def _parse(content: bytes) -> _Report | None:
    """The report in an XML file; None for anything else, and where it declares entities."""
    report = _Report()
    inside: list[str] = []
    text: list[str] = []
    label = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal label
        if name == "uId":
            report.identifier = attributes.get("id", "")
        elif name == "parentImage":
            report.images.append(attributes.get("id", ""))
        elif name == "AbstractText":
            label = attributes.get("Label", "").upper()
        inside.append(name)
        text.clear()

    def end(name: str) -> None:
        words = " ".join("".join(text).split())
        if name == "AbstractText":
            report.sections[label] = words
        elif name == "major":
            report.tags.append(words)
        inside.pop()
        text.clear()

    def refuse(*_: object) -> None:
        raise _UnwantedDeclarationError

    def characters(data: str) -> None:
        if inside and inside[-1] in ("AbstractText", "major"):
            text.append(data)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, _UnwantedDeclarationError, UnicodeError):
        return None
    return report if report.identifier.startswith("CXR") else None
