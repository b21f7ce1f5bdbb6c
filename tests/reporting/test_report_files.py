"""Report files of four kinds, and what is none of them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zipfile
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from findings.errors import ReportError
from reporting.report_files import read_report_file

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(body: str, prologue: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "word/document.xml",
            f'<?xml version="1.0"?>{prologue}<w:document xmlns:w="{WORD}"><w:body>{body}'
            "</w:body></w:document>",
        )
    return stream.getvalue()


def structured_report() -> bytes:
    def item(kind: str, heading: str, text: str = "", inner: tuple[Dataset, ...] = ()) -> Dataset:
        made, name = Dataset(), Dataset()
        name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "1", "99X", heading
        made.ValueType, made.ConceptNameCodeSequence = kind, [name]
        if text:
            made.TextValue = text
        if inner:
            made.ContentSequence = list(inner)
        return made

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.ContentSequence = [
        item("CONTAINER", "Findings", inner=(item("TEXT", "Finding", "Left effusion."),)),
        item("CONTAINER", "Impression", inner=(item("TEXT", "Conclusion", "Effusion."),)),
    ]
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def read(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "report"
    path.write_bytes(content)
    return read_report_file(path)


def test_plain_text_with_a_byte_order_mark(tmp_path) -> None:
    assert read(tmp_path, "Sin neumotórax.".encode("utf-8-sig")) == "Sin neumotórax."


def test_word_paragraphs_become_lines(tmp_path) -> None:
    runs = [["Findings:"], ["Left ", "effusion."]]
    body = "".join(
        "<w:p>" + "".join(f"<w:r><w:t>{text}</w:t></w:r>" for text in paragraph) + "</w:p>"
        for paragraph in runs
    )
    assert read(tmp_path, docx(body)) == "Findings:\nLeft effusion."


def test_a_structured_report_keeps_its_headings(tmp_path) -> None:
    assert read(tmp_path, structured_report()) == (
        "Findings:\nLeft effusion.\nImpression:\nEffusion."
    )


def test_fhir_prefers_the_attached_text(tmp_path) -> None:
    data = base64.b64encode(b"Findings: mass.").decode()
    report = {
        "resourceType": "DiagnosticReport",
        "conclusion": "Mass",
        "presentedForm": [
            {"contentType": "application/pdf", "data": "AA=="},
            {"contentType": "text/plain", "data": data},
        ],
    }
    assert read(tmp_path, json.dumps(report).encode()) == "Findings: mass."
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Patient"}},
            {"resource": {**report, "presentedForm": []}},
        ],
    }
    assert read(tmp_path, json.dumps(bundle).encode()) == "Impression:\nMass"


def test_fhir_narrative_loses_its_scripts(tmp_path) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "text": {"div": "<div><p>Left effusion.</p><script>alert(1)</script><p>No mass.</p></div>"},
    }
    assert read(tmp_path, json.dumps(report).encode()) == "Left effusion.\nNo mass."


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00bad",
        b"PK\x03\x04 not a zip",
        docx("", '<!DOCTYPE a [<!ENTITY b "c">]>'),
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "DiagnosticReport"}',
        b"{" * 100_000,
        b"\0" * 128 + b"DICM" + b"junk",
        b"x" * (5 * 2**20),
        b"",
        b" \n\t 12. -\n",
        docx(""),
    ],
    ids=[
        *("bytes", "zip", "entities", "patient", "empty", "braces", "dicom", "huge"),
        *("nothing", "blank", "blank-docx"),
    ],
)
def test_what_is_no_report_is_refused_in_one_sentence(tmp_path, content) -> None:
    with pytest.raises(ReportError) as caught:
        read(tmp_path, content)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path) -> None:
    with pytest.raises(ReportError, match="cannot be opened"):
        read_report_file(tmp_path / "none.txt")


@given(st.sampled_from([b"", b"PK\x03\x04", b"{", b"\0" * 128 + b"DICM"]), st.binary(max_size=400))
def test_any_bytes_give_text_or_a_report_error(tmp_path_factory, start, rest) -> None:
    path = tmp_path_factory.mktemp("any") / "report"
    path.write_bytes(start + rest)
    with contextlib.suppress(ReportError):
        assert isinstance(read_report_file(path), str)
