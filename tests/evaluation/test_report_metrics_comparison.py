"""The comparison of report writers: on weak pairs, and on data sets of reports by small files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.reports import comparison
from evaluation.reports.cases import CaseSplit, ComparedCase, read_split, reported
from evaluation.reports.comparison import Comparison, compare_reports
from evaluation.reports.pairs import ReferenceReport
from evaluation.reports.published import PUBLISHED, published_table
from evaluation.reports.running import (
    KeptReport,
    Order,
    Written,
    complete,
    key_of,
    read_kept,
    run_writer,
    write_all,
)
from evaluation.reports.writers import Shelf, WriterName, labels_only
from findings.errors import StudyError
from findings.vocabulary import Language

ENGLISH = Language.ENGLISH
REPORTS = (
    "The heart is enlarged. No pneumothorax.",
    "The lungs are clear. No pleural effusion.",
    "There is a left pleural effusion.",
    "There is a nodule in the right upper lobe.",
)


def write(folder: Path, name: str, *lines: str) -> None:
    """A text file of the data set."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def picture(path: Path) -> None:
    """A small grey film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 12), 200, np.uint8)).save(path)


def make_mimic(folder: Path) -> None:
    """One study of each part, with MIMIC-CXR's tables and report files."""
    parts = ("train", "validate", "test", "test")
    write(
        folder,
        "mimic-cxr-2.0.0-metadata.csv",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        *(f"d{n},1000003{n},5041426{n},CHEST,PA,16,12" for n in range(4)),
    )
    write(
        folder,
        "mimic-cxr-2.0.0-split.csv",
        "dicom_id,study_id,subject_id,split",
        *(f"d{n},5041426{n},1000003{n},{part}" for n, part in enumerate(parts)),
    )
    labels = (
        "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,"
        "Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,"
        "Pneumothorax,Support Devices"
    )
    write(folder, "mimic-cxr-2.0.0-chexpert.csv", f"subject_id,study_id,{labels}")
    for n, text in enumerate(REPORTS):
        study = f"files/p10/p1000003{n}/s5041426{n}"
        write(folder, f"{study}.txt", "FINAL REPORT", " INDICATION: Cough.", f" FINDINGS: {text}")
        picture(folder / study / f"d{n}.jpg")


def make_openi(folder: Path) -> None:
    """Reports with a findings section, and one with an impression alone."""
    for n, text in enumerate(REPORTS):
        section = "IMPRESSION" if n == 3 else "FINDINGS"
        write(
            folder,
            f"ecgen-radiology/{n}.xml",
            f'<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR{n}"/><Abstract>'
            f'<AbstractText Label="INDICATION">Pneumonia?</AbstractText>'
            f'<AbstractText Label="{section}">{text}</AbstractText></Abstract>'
            f'<MeSH><major>normal</major></MeSH><parentImage id="CXR{n}_IM-1"/></eCitation>',
        )
        picture(folder / f"NLMCXR_png/CXR{n}_IM-1.png")


def make_padchest(folder: Path) -> None:
    """Spanish reports, one for each study."""
    columns = (
        ",ImageID,ImageDir,StudyID,PatientID,Projection,ReportID,Report,MethodLabel,Labels,"
        "Localizations,LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS"
    )
    rows: list[Sequence[str]] = [columns.split(",")]
    for n in range(4):
        head = (str(n), f"{n}.png", "0", str(n), f"00{n}", "PA", str(n), "derrame pleural .")
        rows.append((*head, "Physician", "['pleural effusion']", "[]", "[]", "[]", "[]"))
        picture(folder / "0" / f"{n}.png")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write(folder, "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", text.getvalue().rstrip())


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers run in this process, and BERTScore's encoder is not here."""

    def run(order: Order, told: object = None) -> Written:
        write_all(order)
        kept = read_kept(order.keep)
        by_film = {report.film: report for report in kept.reports}
        return Written(reports=tuple(by_film[key_of(film)] for film in order.films), cost=kept.cost)

    monkeypatch.setattr(comparison, "run_writer", run)


def compared(folder: Path, tmp_path: Path, every: bool = False) -> Comparison:
    """The constant writer on a folder."""
    return compare_reports(folder, (WriterName.NORMAL,), tmp_path / "cache", every=every)


@pytest.mark.usefixtures("here")
def test_mimic_is_compared_on_its_test_part_beside_the_papers_rows(tmp_path: Path) -> None:
    make_mimic(tmp_path / "mimic")
    found = compared(tmp_path / "mimic", tmp_path)
    assert (found.dataset, found.weak, found.films, found.patients) == (
        "mimic-cxr-jpg",
        False,
        2,
        2,
    )
    text = found.markdown()
    assert "do not compare" not in text and "written of these studies" in text
    assert "| TRRG | MIMIC-CXR" in text and "| CLALA-Net | MIMIC-CXR" in text
    assert "PadChest" not in text
    own = found.rows[0].score
    # The two test films have an effusion and a nodule, and the constant report has neither.
    assert own is not None and own.five.micro_f1.value == 0
    assert {row.finding.value for row in own.lesions if row.positives} == {
        "pleural_effusion",
        "nodule",
    }


@pytest.mark.usefixtures("here")
def test_open_i_is_read_by_its_findings_or_else_impression(tmp_path: Path) -> None:
    make_openi(tmp_path / "openi")
    split = read_split(tmp_path / "openi", tmp_path, every=True)
    assert sorted(case.reference.text for case in split.compared) == sorted(REPORTS)
    found = compared(tmp_path / "openi", tmp_path, every=True)
    assert found.films == 4 and "| TRRG | IU X-ray | 0.151" in found.markdown()


@pytest.mark.usefixtures("here")
def test_padchest_is_compared_in_spanish(tmp_path: Path) -> None:
    make_padchest(tmp_path / "padchest")
    found = compared(tmp_path / "padchest", tmp_path, every=True)
    assert (found.dataset, found.language) == ("padchest", Language.SPANISH)
    assert "| Radixpert, HCF and S-CMT | PadChest" in found.markdown()


def test_real_open_i_studies_are_true_pairs(shared_data: Path, tmp_path: Path) -> None:
    split = read_split(shared_data / "iu", tmp_path, every=True)
    assert (split.dataset, split.weak, len(split.compared)) == ("openi", False, 3)
    assert all(case.reference.text and case.image.is_file() for case in split.compared)


def weak_split(tmp_path: Path) -> CaseSplit:
    """Two films whose references were composed for their labels."""
    cases = []
    for n, text in enumerate(REPORTS[:2]):
        picture(tmp_path / f"{n}.png")
        reference = ReferenceReport.written(str(n), text, ENGLISH)
        cases.append(ComparedCase(tmp_path / f"{n}.png", reference))
    return CaseSplit("nih", True, ENGLISH, tuple(cases), (), (), "The lungs are clear.")


@pytest.mark.usefixtures("here")
def test_weak_pairs_are_said_to_be_weak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "read_split", lambda *_: weak_split(tmp_path))
    found = compared(tmp_path, tmp_path)
    table = found.tables()["report-models"]
    assert "weak pairs" in table[0] and "do not compare with the papers'" in table[0]
    assert not any("TRRG | " in line for line in table)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_a_writer_without_weights_is_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "read_split", lambda *_: weak_split(tmp_path))
    lacking = Written(lacking="No weights of the report model 'trrg' are here.")
    monkeypatch.setattr(comparison, "run_writer", lambda *_: lacking)
    found = compare_reports(tmp_path, (WriterName.TRRG,), tmp_path)
    assert found.rows[0].score is None
    assert "| TRRG | not run: No weights" in found.markdown()


def test_reports_are_kept_and_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = [tmp_path / "a.png", tmp_path / "b.png"]
    keep = tmp_path / "kept" / "normal.jsonl"
    keep.parent.mkdir()
    earlier = KeptReport(film=key_of(films[0]), text="An earlier report.", seconds=1.0)
    keep.write_text(earlier.model_dump_json() + '\n{"film": "cut o')
    assert not complete(read_kept(keep), films)
    order = Order(
        writer=WriterName.NORMAL,
        shelf=Shelf(language=ENGLISH, normal="The lungs are clear."),
        films=tuple(films),
        keep=keep,
    )
    write_all(order)
    assert complete(read_kept(keep), films)
    assert "a.png" not in keep.read_text() and str(tmp_path) not in keep.read_text()
    monkeypatch.setattr("subprocess.Popen", None)  # nothing is left to run
    found = run_writer(order)
    assert [report.text for report in found.reports] == [
        "An earlier report.",
        "The lungs are clear.",
    ]
    assert found.cost is not None and found.cost.peak_gigabytes > 0


def test_a_writing_process_that_fails_gives_its_reason(tmp_path: Path) -> None:
    order = Order(
        writer=WriterName.TRRG,
        shelf=Shelf(language=ENGLISH, normal="x", weights=tmp_path),
        films=(tmp_path / "a.png",),
        keep=tmp_path / "trrg.jsonl",
    )
    from evaluation.reports import running

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("READINGROOM_CACHE_DIR", str(tmp_path))
        found = running.run_writer(order)
    assert "trrg" in found.lacking and "readingroom train report" in found.lacking


def test_nothing_to_compare_on_is_said(tmp_path: Path) -> None:
    make_mimic(tmp_path / "mimic")
    for report in (tmp_path / "mimic").rglob("*.txt"):
        report.write_text("FINAL REPORT\n INDICATION: Cough.\n")
    with pytest.raises(StudyError):
        read_split(tmp_path / "mimic", tmp_path)


def test_the_reported_section() -> None:
    assert reported("INDICATION: Pain.\nFINDINGS: Clear.\nIMPRESSION: Normal.", ENGLISH) == "Clear."
    assert reported("IMPRESSION: Normal.", ENGLISH) == "Normal."
    assert reported("INDICATION: Pain.", ENGLISH) == reported(" ", ENGLISH) == ""


def test_labels_alone_are_phrased_without_any_other_expert() -> None:
    from agents.settings import Settings

    alone = labels_only(Settings())
    chosen = json.loads(alone.experts.model_dump_json())
    named = {role for role, name in chosen.items() if name == "embedded"}
    assert named == {"classifier"}
    assert (alone.llm.aggregator, alone.retrieval.enabled) == ("phraser", False)


def test_published_rows_are_those_of_the_papers() -> None:
    assert published_table("nih") == []
    trrg = next(row for row in PUBLISHED if row.paper == "TRRG" and row.dataset == "openi")
    assert (trrg.bleu_4, trrg.rouge_l, trrg.meteor, trrg.cider) == (0.151, 0.377, 0.209, 0.405)
    assert any("0.478" in line for line in published_table("padchest"))
