"""Exports of a draft, each opened by a reader or validator that did not write it."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from findings.errors import UserInputError
from findings.evidence import MeasurementEvidence
from findings.labeler import label_report
from findings.vocabulary import Finding, Language
from imaging.loading import load_study
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus, ExpertNote, Section, Signature
from reporting.exports import FORMATS, Format, export
from reporting.files import read_draft
from reporting.labels import labels
from reporting.ledger import Decision
from reporting.limits import limits
from reporting.report_files import read_report_file

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
SOURCE = SAMPLES / "effusion.dcm"
HOSTILE = "<b>x</b> <script>alert(1)</script> &amp; ]]> {{7*7}} \u202e\x00 No pneumothorax."


@pytest.fixture(scope="module")
def image() -> StudyImage:
    return load_study(SOURCE).frontal


@pytest.fixture(scope="module")
def draft() -> Draft:
    return read_draft(SAMPLES / "drafts" / "effusion" / "draft.json")


@pytest.fixture(scope="module")
def signed(draft: Draft) -> Draft:
    signature = Signature(signer="Dr. Ana Müller", time="2026-01-02T03:04:05+00:00")
    return draft.model_copy(update={"status": DraftStatus.SIGNED, "signature": signature})


@pytest.fixture(scope="module")
def hostile(draft: Draft) -> Draft:
    def spoilt(section: Section) -> Section:
        sentences = [s.model_copy(update={"text": HOSTILE}) for s in section.sentences]
        return section.model_copy(update={"sentences": tuple(sentences)})

    return draft.model_copy(update={"sections": tuple(map(spoilt, draft.sections))})


def positives(text: str) -> set[Finding]:
    return {claim.finding for claim in label_report(text, Language.ENGLISH) if claim.present}


def stated(draft: Draft) -> set[Finding]:
    return {c.finding for s in draft.sentences() for c in s.claims if c.present}


@pytest.mark.parametrize("form", [Format.TEXT, Format.DOCX, Format.FHIR, Format.SR])
def test_what_is_exported_reads_back_as_the_same_findings(
    draft: Draft, tmp_path: Path, form: Format
) -> None:
    path = tmp_path / f"report{FORMATS[form].suffix}"
    path.write_bytes(export(draft, form, source=SOURCE))
    text = read_report_file(path)
    assert "AI-generated" in text and all(model.version in text for model in draft.models)
    body = text[text.upper().index("FINDINGS") :].split("Measurements")[0].split("Research use")[0]
    assert positives(body) == stated(draft) != set()


def test_a_word_document_opens_in_another_reader(draft: Draft, image: StudyImage) -> None:
    import docx

    content = export(draft, Format.DOCX, image=image)
    document = docx.Document(io.BytesIO(content))
    text = "\n".join(p.text for p in document.paragraphs)
    assert all(s.text in text for s in draft.sentences())
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    assert all(model.version in cells for model in draft.models)
    assert len(document.inline_shapes) == 1
    assert export(draft, Format.DOCX) == export(draft, Format.DOCX)


def test_a_pdf_holds_the_text_and_its_font(draft: Draft, image: StudyImage) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    content = export(draft, Format.PDF, image=image)
    reader = pypdf.PdfReader(io.BytesIO(content))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert all(" ".join(s.text.split()) in text for s in draft.sentences())
    assert "AI-generated draft, not verified" in text
    assert all(model.name in text for model in draft.models)
    fonts: Any = reader.pages[0]["/Resources"]["/Font"]
    assert any("DejaVu" in str(font.get_object()["/BaseFont"]) for font in fonts.values())
    assert reader.trailer["/Root"]["/Lang"] == "en"


def _text_of(form: Format, content: bytes) -> str:
    """What a reader that is not ours finds in an export, on one line."""
    if form is Format.PDF:
        pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
        text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    elif form is Format.DOCX:
        import docx

        text = " ".join(p.text for p in docx.Document(io.BytesIO(content)).paragraphs)
    elif form is Format.SR:
        import pydicom

        items = pydicom.dcmread(io.BytesIO(content)).ContentSequence
        comments = [i for i in items if i.ConceptNameCodeSequence[0].CodeValue == "121106"]
        text = " ".join(str(item.TextValue) for item in comments)
    elif form is Format.FHIR:
        text = base64.b64decode(json.loads(content)["presentedForm"][0]["data"]).decode()
    else:
        text = content.decode()
    return " ".join(text.replace("\\", "").split())


@pytest.mark.parametrize("form", [f for f in Format if f not in (Format.JSON, Format.OVERLAY)])
@pytest.mark.parametrize("language", list(Language))
def test_every_printed_export_says_what_the_report_leaves_out_also_when_signed(
    draft: Draft, signed: Draft, language: Language, form: Format
) -> None:
    missing = ExpertNote(role="clues", name="x", status="timed_out", detail="")
    changed = {"language": language, "experts": (missing,)}
    words = labels(language)
    for one in (draft.model_copy(update=changed), signed.model_copy(update=changed)):
        said = limits(one)
        assert len(said) == 2 and words.experts["timed_out"] in said[0]
        text = _text_of(form, export(one, form, source=SOURCE))
        assert all(sentence in text for sentence in said)
        assert words.headings["limits"].lower() in text.lower()


def test_fhir_notes_what_the_report_leaves_out_outside_the_conclusion(draft: Draft) -> None:
    fhir = pytest.importorskip(
        "fhir.resources.R4B.diagnosticreport", reason="fhir.resources is not installed"
    )
    content = json.loads(export(draft, Format.FHIR))
    (note,) = fhir.DiagnosticReport.model_validate(content).extension
    said = limits(draft)
    assert said and all(sentence in note.valueAnnotation.text for sentence in said)
    assert note.url.endswith("extension-DiagnosticReport.note")
    assert not any(sentence in content["conclusion"] for sentence in said)


@pytest.mark.parametrize("form", [Format.PDF, Format.DOCX])
def test_texts_are_never_read_as_markup(hostile: Draft, form: Format) -> None:
    content = export(hostile, form)
    text = _text_of(form, content)
    assert "<script>alert(1)</script>" in text and "<b>x</b>" in text and "&amp;" in text


@pytest.mark.parametrize("status", ["preliminary", "final"])
def test_fhir_is_valid_and_names_no_patient(draft: Draft, signed: Draft, status: str) -> None:
    fhir = pytest.importorskip(
        "fhir.resources.R4B.diagnosticreport", reason="fhir.resources is not installed"
    )
    content = json.loads(export(signed if status == "final" else draft, Format.FHIR))
    read = fhir.DiagnosticReport.model_validate(content)
    assert read.status == status and read.subject is None
    ids = {item["id"] for item in content["contained"]}
    assert len(ids) == len(content["contained"])
    assert {r["reference"].removeprefix("#") for r in content["result"]} <= ids
    text = base64.b64decode(content["presentedForm"][0]["data"]).decode()
    assert all(s.text in text for s in draft.sentences())
    assert ("Dr. Ana Müller" in text) is (status == "final")


def test_a_structured_report_refers_to_its_image_and_is_verified_only_when_signed(
    draft: Draft, signed: Draft, image: StudyImage, tmp_path: Path
) -> None:
    import pydicom

    film = pydicom.dcmread(SOURCE, stop_before_pixels=True)
    for one in (draft, signed):
        content = export(one, Format.SR, image=image, source=SOURCE)
        report = pydicom.dcmread(io.BytesIO(content))
        assert report.StudyInstanceUID == film.StudyInstanceUID
        assert report.PatientID == film.PatientID
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
        referred = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert referred.ReferencedSOPInstanceUID == film.SOPInstanceUID
        final = one is signed
        assert report.VerificationFlag == ("VERIFIED" if final else "UNVERIFIED")
        assert report.PreliminaryFlag == ("FINAL" if final else "PRELIMINARY")
        assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
        names = json.dumps(report.to_json_dict())
        assert all(m.version in names for m in one.models)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("name", ["effusion", "cardiomegaly", "normal"])
def test_a_structured_report_passes_a_dicom_validator(
    name: str, tmp_path: Path, signed: Draft
) -> None:
    source = SAMPLES / f"{name}.dcm"
    own = read_draft(SAMPLES / "drafts" / name / "draft.json")
    signature = {"status": DraftStatus.SIGNED, "signature": signed.signature}
    for number, one in enumerate((own, own.model_copy(update=signature))):
        path = tmp_path / f"{number}.dcm"
        shown = load_study(source).frontal
        path.write_bytes(export(one, Format.SR, image=shown, source=source))
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        faults = [line for line in told.stderr.splitlines() if line.startswith("Error")]
        assert told.returncode == 0 and not faults, faults


def test_boxes_of_a_structured_report_lie_where_the_expert_drew_them(image: StudyImage) -> None:
    import pydicom

    own = read_draft(SAMPLES / "drafts" / "nodule" / "draft.json")
    boxed = {item.id for item in own.evidence if item.kind == "detection"}
    ledger = [
        entry.model_copy(update={"decision": Decision.UNCERTAIN})
        if boxed & set(entry.evidence)
        else entry
        for entry in own.ledger
    ]
    draft = own.model_copy(update={"ledger": tuple(ledger)})
    content = export(draft, Format.SR, image=image, source=SOURCE)
    report = pydicom.dcmread(io.BytesIO(content))
    found: list[tuple[float, ...]] = []

    def look(_: Any, element: Any) -> None:
        if element.keyword == "GraphicData" and len(element.value) == 10:  # a closed box
            points = [float(value) for value in element.value]
            found.append((min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])))

    report.walk(look)
    boxes = [item.box for item in draft.evidence if item.kind == "detection"]
    assert found
    for box in found:
        assert any(all(abs(a - b) < 0.01 for a, b in zip(box, own, strict=True)) for own in boxes)


def _measured(report: Any) -> dict[str, Any]:
    """The measurement groups of a structured report, by what their tracking identifier says."""
    found: dict[str, Any] = {}
    for group in _groups(report):
        items = {item.ConceptNameCodeSequence[0].CodeValue: item for item in group.ContentSequence}
        name = str(items["112039"].TextValue).rsplit(" ", 1)[0]
        found[name] = items
    return found


def _groups(report: Any) -> list[Any]:
    """The measurement groups (DCM 125007) anywhere in a document."""
    found: list[Any] = []

    def look(item: Any) -> None:
        for child in item.get("ContentSequence", []):
            name = child.get("ConceptNameCodeSequence")
            if name and name[0].CodeValue == "125007":
                found.append(child)
            look(child)

    look(report)
    return found


def test_ratios_lengths_and_areas_are_measurements_with_codes_and_lines() -> None:
    import highdicom as hd
    import pydicom

    own = read_draft(SAMPLES / "drafts" / "cardiomegaly" / "draft.json")
    shown = load_study(SAMPLES / "cardiomegaly.dcm").frontal
    content = export(own, Format.SR, image=shown, source=SAMPLES / "cardiomegaly.dcm")
    report = pydicom.dcmread(io.BytesIO(content))
    hd.sr.ComprehensiveSR.from_dataset(report)
    measured = _measured(report)
    for name, code, unit, meaning in (
        ("cardiothoracic ratio", "118586006", "1", "no units"),
        ("cardiac width", "410668003", "mm", "millimeter"),
        ("left lung area", "42798000", "cm2", "square centimeter"),
    ):
        number = measured[name][code]
        value = number.MeasuredValueSequence[0]
        units = value.MeasurementUnitsCodeSequence[0]
        assert number.ValueType == "NUM"
        assert number.ConceptNameCodeSequence[0].CodingSchemeDesignator == "SCT"
        assert (units.CodeValue, units.CodingSchemeDesignator) == (unit, "UCUM")
        assert units.CodeMeaning == meaning
        known = next(m for m in own.measurements if m.name == name.replace(" ", "_"))
        assert float(value.NumericValue) == pytest.approx(known.value, abs=0.06)
    ratio = measured["cardiothoracic ratio"]
    assert ratio["363698007"].ConceptCodeSequence[0].CodeMeaning == "Heart"
    lines = [i for i in ratio["118586006"].ContentSequence if i.ValueType == "SCOORD"]
    item = next(e for e in own.evidence if e.id == "E42")
    assert isinstance(item, MeasurementEvidence) and len(lines) == len(item.landmarks) // 2
    drawn = [tuple(float(v) for v in line.GraphicData) for line in lines]
    m = shown.to_stored
    lines_of = zip(item.landmarks[::2], item.landmarks[1::2], strict=True)
    for line, ends in zip(drawn, lines_of, strict=True):
        stored = [c for x, y in ends for c in (m.a * x + m.b * y + m.c, m.d * x + m.e * y + m.f)]
        assert line == pytest.approx(stored, abs=0.01)


def test_a_structured_report_refers_to_the_film_that_was_read(tmp_path: Path) -> None:
    """Beside a lateral of the same study, whose file comes first."""
    import pydicom

    film = pydicom.dcmread(SAMPLES / "cardiomegaly.dcm")
    lateral = pydicom.dcmread(SAMPLES / "cardiomegaly.dcm")
    lateral.ViewPosition = "LL"
    lateral.SOPInstanceUID = lateral.file_meta.MediaStorageSOPInstanceUID = (
        pydicom.uid.generate_uid()
    )
    lateral.decompress()
    lateral.PixelData = lateral.pixel_array[::-1].tobytes()
    lateral.save_as(tmp_path / "0000")
    film.save_as(tmp_path / "0001")
    own = read_draft(SAMPLES / "drafts" / "cardiomegaly" / "draft.json")
    study = load_study(tmp_path)
    assert len(study.images) == 2
    content = export(own, Format.SR, image=study.frontal, source=tmp_path)
    report = pydicom.dcmread(io.BytesIO(content))
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    (referred,) = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert referred.ReferencedSOPInstanceUID == film.SOPInstanceUID


@pytest.mark.parametrize("source", [None, SAMPLES / "effusion.png", SAMPLES / "README.md"])
def test_a_structured_report_needs_a_dicom_study(draft: Draft, source: Path | None) -> None:
    with pytest.raises(UserInputError, match="DICOM"):
        export(draft, Format.SR, source=source)


def test_the_film_with_marks_needs_the_film(draft: Draft, image: StudyImage) -> None:
    assert export(draft, Format.OVERLAY, image=image).startswith(b"\x89PNG")
    with pytest.raises(UserInputError, match="film"):
        export(draft, Format.OVERLAY)


def test_the_command_writes_beside_the_draft(draft: Draft, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from ui.cli.export import export as command

    folder = Path(shutil.copytree(SAMPLES / "drafts" / "effusion", tmp_path / "draft"))
    done = CliRunner().invoke(command, [str(folder), "--format", "fhir"])
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "report.fhir.json").read_text())["status"] == "preliminary"
    wanting = CliRunner().invoke(command, [str(folder), "--format", "sr"])
    assert wanting.exit_code == 2 and "--study" in wanting.output
