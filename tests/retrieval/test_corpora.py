"""Reading corpora: untrusted XML, tables and text."""

from __future__ import annotations

import gzip
import io
import tarfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from findings.claims import Claim
from findings.errors import IndexUnavailableError
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from retrieval.corpora.openi import read_openi
from retrieval.corpora.padchest import read_labels, read_padchest
from retrieval.corpora.report import (
    LONGEST_TEXT,
    ReportView,
    clean,
    fold,
    patient_key,
    sentences,
)
from retrieval.rendering import describe_claims, phrases

XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="{uid}"/><Abstract>
<AbstractText Label="INDICATION">cough</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">{impression}</AbstractText></Abstract>
<parentImage id="a"><caption>PA and lateral chest x-XXXX</caption></parentImage></eCitation>"""


def _xml(uid: str, findings: str = "Clear lungs.", impression: str = "1. Normal.") -> bytes:
    return XML.format(uid=uid, findings=findings, impression=impression).encode()


def _archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_openi_reports(tmp_path: Path) -> None:
    archive = _archive(
        tmp_path / "reports.tgz",
        {
            "r/1.xml": _xml("CXR1", "The XXXX are &lt;clear&gt;. XXXX-XXXX seen."),
            "r/2.xml": _xml("CXR2", "", ""),
        },
    )
    (report,) = read_openi(archive)
    assert report.report_id == "openi-CXR1"
    assert report.text == "The … are <clear>. … seen. Normal."
    assert report.display.endswith("Impression: Normal.")
    assert "cough" not in report.display
    assert report.views == (ReportView.PA, ReportView.LATERAL)
    assert report.patient == patient_key("openi", "CXR1")


def test_hostile_openi_files_are_left_out(tmp_path: Path) -> None:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        b'<eCitation><uId id="CXR3"/><AbstractText Label="FINDINGS">&b;</AbstractText></eCitation>'
    )
    secret = (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        b'<eCitation><uId id="CXR4"/><AbstractText Label="FINDINGS">&a;</AbstractText></eCitation>'
    )
    files = {
        "bomb.xml": bomb,
        "secret.xml": secret,
        "broken.xml": _xml("CXR5")[:-20],
        "binary.xml": bytes(range(256)),
        "huge.xml": _xml("CXR6", "x" * (2 << 20)),
        "id.xml": _xml("../../CXR7"),
        "good.xml": _xml("CXR8"),
    }
    archive = _archive(tmp_path / "reports.tgz", files)
    assert [report.report_id for report in read_openi(archive)] == ["openi-CXR8"]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert [report.report_id for report in read_openi(folder)] == ["openi-CXR8"]


def test_an_absent_or_damaged_corpus_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cut.tgz").write_bytes(
        _archive(tmp_path / "a.tgz", {"1": b"x" * 999}).read_bytes()[:40]
    )
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 999)[:30])
    (tmp_path / "columns.csv").write_text("ReportID,PatientID\n1,2\n")
    for reader, name in (
        (read_openi, "none.tgz"),
        (read_openi, "cut.tgz"),
        (read_padchest, "none.csv"),
        (read_padchest, "cut.csv.gz"),
        (read_padchest, "columns.csv"),
    ):
        with pytest.raises(IndexUnavailableError, match="models pull"):
            list(reader(tmp_path / name))


TABLE = """,PatientID,Projection,ReportID,Report,LabelsLocalizationsBySentence
0,77,PA,900,derram pleural izquierd .,"[['pleural effusion', 'loc left'], ['normal']]"
1,77,L,900,derram pleural izquierd .,"[['pleural effusion', 'loc left'], ['normal']]"
2,78,PA,901,ver inform,['exclude']
3,79,AP_horizontal,902,x,"['pneumonia', 'loc right', 'NSG tube']"
4,80,PA,not-a-number,x,['normal']
5,80
"""


def test_padchest_reports(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    first, second = read_padchest(table)
    assert first.report_id == "padchest-900"
    assert first.display == "Derrame pleural en el lado izquierdo."
    assert first.views == (ReportView.LATERAL, ReportView.PA)
    assert first.patient == patient_key("padchest", "77")
    assert "derram " not in first.model_dump_json()
    assert second.labels == (Finding.PNEUMONIA, Finding.NASOGASTRIC_TUBE)
    assert second.claims[0].side is Side.RIGHT
    assert second.claims[1].side is None, "a place belongs to the label before it"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("['normal']", (Claim(finding=Finding.NO_FINDING),)),
        ("[['normal'], ['cardiomegaly']]", (Claim(finding=Finding.CARDIOMEGALY),)),
        ("[['exclude']]", ()),
        ("[]", ()),
        ("nan", ()),
        ("[['pleural effusion both sides']]", (
            Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.BILATERAL),)),
        ("[['atelectasis', 'cardiomegaly', 'loc left', 'loc basal']]", (
            Claim(finding=Finding.ATELECTASIS, side=Side.LEFT, region=Region.LEFT_LOWER_ZONE),
            Claim(finding=Finding.CARDIOMEGALY))),
    ],
)  # fmt: skip
def test_padchest_labels(cell: str, expected: tuple[Claim, ...]) -> None:
    assert read_labels(cell) == expected


@given(st.text(max_size=300))
def test_any_cell_is_read(cell: str) -> None:
    for claim in read_labels(cell):
        assert isinstance(claim, Claim)


@example("0\r\x1b\r0")
@example("e\u200b\u0301")
@given(st.text())
def test_cleaned_text_is_printable_and_bounded(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= LONGEST_TEXT
    assert all(unicodedata.category(char)[0] != "C" for char in cleaned)
    assert clean(cleaned) == cleaned
    assert all(fold(sentence) for sentence in sentences(cleaned))


def test_bidirectional_and_control_characters_go() -> None:
    assert clean("No\x00 \u202epneumothorax\u202c\x1b[31m\u200b.\n\nClear") == (
        "No pneumothorax[31m. Clear"
    )
    assert len(clean("x" * 10**6)) == LONGEST_TEXT


def test_headings_are_no_part_of_a_sentence() -> None:
    assert sentences("Findings: Clear lungs. Impression: Normal.") == ("Clear lungs.", "Normal.")


def test_phrases_name_places_once_and_weightiest_first() -> None:
    claims = (
        Claim(finding=Finding.CARDIOMEGALY, region=Region.CARDIAC_SILHOUETTE),
        Claim(finding=Finding.PNEUMOTHORAX, side=Side.RIGHT, region=Region.RIGHT_PLEURA),
        Claim(finding=Finding.CONSOLIDATION, region=Region.LEFT_UPPER_LOBE, side=Side.LEFT),
    )
    assert phrases(claims, Language.ENGLISH) == (
        "pneumothorax on the right",
        "consolidation in the left upper lobe",
        "cardiomegaly",
    )
    assert describe_claims(claims, Language.SPANISH) == (
        "Neumotórax en el lado derecho. "
        "Consolidación en el lóbulo superior izquierdo. Cardiomegalia."
    )
    assert phrases((), Language.ENGLISH) == ()


def test_patient_keys_hide_and_tell_apart() -> None:
    assert patient_key("a", "1") == patient_key("a", "1")
    assert len({patient_key(s, p) for s in "ab" for p in ("1", "2")}) == 4
    assert "839860488694292" not in patient_key("padchest", "839860488694292")
