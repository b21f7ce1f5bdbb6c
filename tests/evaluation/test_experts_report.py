"""The report on experts: what is missing is said, what is asked twice is looked at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from brightness import BrightnessExpert, write_table

from evaluation.experts import ExpertReport, Film, Lineup, Readings, evaluate_experts
from evaluation.experts.classifier import evaluate_classifier
from evaluation.experts.cost import BareTime, run_in_turn, weights_size
from evaluation.experts.sides import evaluate_sides, side_of_box
from evaluation.experts.tuberculosis import evaluate_tuberculosis
from evaluation.experts.votes import kept_votes
from evaluation.overlays import best_middle_worst, check_untracked, write_overlays
from evaluation.page import refresh_tables
from findings.errors import ReportError, SettingsError, StudyError
from findings.vocabulary import Finding, Side
from tools.contract import Role
from tools.segmenter import SegmenterExpert


def test_each_film_is_looked_at_once_whoever_asks(folder: Path) -> None:
    classifier, detector = BrightnessExpert(), BrightnessExpert(Role.DETECTOR)
    readings = Readings({Role.CLASSIFIER: classifier, Role.DETECTOR: detector})
    evaluate_classifier(folder, "val", readings)
    evaluate_sides(folder, "val", readings)
    kept_votes(None, folder, "val", readings)
    assert (classifier.looks, detector.looks) == (16, 16)


def test_films_are_read_by_several_threads_and_progress_is_told(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    names: set[str] = set()

    class Watched(BrightnessExpert):
        def run(self, study, context):
            names.add(threading.current_thread().name)
            return super().run(study, context)

    readings = Readings({Role.CLASSIFIER: Watched()}, lambda *step: told.append(step), workers=2)
    films = [Film(path) for path in sorted((folder / "nih/images").iterdir())]
    readings.prepare((Role.CLASSIFIER,), films)
    assert told[-1] == ("classifier", 16, 16)
    assert threading.main_thread().name not in names


def test_the_classifiers_score_by_hand(folder: Path) -> None:
    score = evaluate_classifier(folder, "val", Readings({Role.CLASSIFIER: BrightnessExpert()}))
    assert score is not None
    nodule = next(own for own in score.findings if own.finding is Finding.NODULE)
    assert (score.images, score.patients, nodule.positives) == (16, 8, 8)
    assert nodule.auc == 1.0
    assert (nodule.sensitivity, nodule.specificity) == (1.0, 1.0)
    assert {mark.name for mark in nodule.marks} == {"sensitive", "balanced", "confident"}
    assert sum(item.cases for item in score.reliability) == 16 * 14
    assert all(own.present is None or 0 <= own.present <= 1 for own in score.conformal)


def test_sides_are_the_patients(folder: Path) -> None:
    assert side_of_box((0.1, 0, 0.3, 1)) is Side.RIGHT
    assert side_of_box((0.7, 0, 0.9, 1)) is Side.LEFT
    assert side_of_box((0.3, 0, 0.7, 1)) is Side.BILATERAL
    assert side_of_box((0.45, 0, 0.95, 1)) is Side.LEFT


def test_an_expert_that_fails_is_counted_and_the_others_go_on(folder: Path) -> None:
    from PIL import Image

    Image.new("L", (100, 100), 255).save(folder / "nih/images/film_3.jpg")
    readings = Readings({Role.CLASSIFIER: BrightnessExpert()})
    score = evaluate_classifier(folder, "val", readings)
    assert score is not None and score.images == 15
    assert readings.failures == {Role.CLASSIFIER: 1}


def test_what_is_not_installed_or_not_there_is_none(folder: Path, tmp_path: Path) -> None:
    absent = Readings({Role.CLASSIFIER: BrightnessExpert(here=False)})
    assert evaluate_classifier(folder, "val", absent) is None
    here = Readings({Role.CLASSIFIER: BrightnessExpert()})
    assert evaluate_classifier(tmp_path / "empty", "val", here) is None
    assert evaluate_tuberculosis(folder, "val", here) is None
    assert evaluate_sides(tmp_path / "empty", "val", here) is None
    with pytest.raises(StudyError, match="nothing to measure"):
        evaluate_experts(tmp_path / "empty", lineup=Lineup(roles=()), cost=False)


def test_rows_of_another_split_count_only_where_all_are_asked_for(folder: Path) -> None:
    table = folder / "nih/labels.csv"
    table.write_text(table.read_text().replace(",val,", ",held-out,"))
    readings = Readings({Role.CLASSIFIER: BrightnessExpert()})
    assert evaluate_classifier(folder, "val", readings) is None
    score = evaluate_classifier(folder, "all", readings)
    assert score is not None and score.images == 16


def test_the_report_says_who_is_missing_and_survives_json(folder: Path, tmp_path: Path) -> None:
    readings = Readings({Role.CLASSIFIER: BrightnessExpert()})
    report = ExpertReport(
        split="val",
        anatomy=None,
        classifier=evaluate_classifier(folder, "val", readings),
        not_installed=("detector", "clues"),
    )
    text = report.markdown()
    assert "Not installed: detector, clues." in text
    assert "## Classifier" in text and "## Segmenter" not in text
    again = ExpertReport.model_validate_json(report.model_dump_json())
    assert again == report
    assert json.loads(report.model_dump_json())["classifier"]["mean_auc"] == 1.0
    pictures = report.draw(tmp_path / "figures")
    assert all(path.name.startswith("experts-") and path.is_file() for path in pictures)
    assert pictures


def test_the_shipped_classifier_on_a_few_films(folder: Path) -> None:
    report = evaluate_experts(
        folder, lineup=Lineup(roles=(Role.CLASSIFIER, Role.CRUDE_REPORT)), cost=False
    )
    assert report.classifier is not None and report.classifier.images == 16
    assert report.anatomy is None
    assert report.fusion is not None and report.fusion.patients == 8


def test_cost_counts_the_time_inside_networks_once(folder: Path) -> None:
    import torch

    inner = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.Linear(400, 400))
    bare = BareTime()
    with bare.counting():
        inner(torch.zeros(64, 400))
    inside = bare.seconds
    assert inside > 0
    inner(torch.zeros(64, 400))
    assert bare.seconds == inside
    films = [Film(path) for path in sorted((folder / "nih/images").iterdir())[:5]]
    report = run_in_turn({Role.CLASSIFIER: BrightnessExpert()}, films)
    assert report.images == 5 and report.bare_seconds == 0.0
    assert 0 < report.median_seconds <= report.slowest_twentieth
    assert report.base_gigabytes <= report.peak_gigabytes
    assert "together" in "\n".join(report.markdown())


def test_the_size_of_shipped_weights(tmp_path: Path) -> None:
    size = weights_size(SegmenterExpert(tmp_path))
    assert size is not None
    assert 1e6 < size.parameters < 1e8
    assert size.megabytes == pytest.approx(size.parameters / 1e6, rel=0.2)  # eight bits each
    assert weights_size(BrightnessExpert()) is None


def test_overlays_go_nowhere_tracked(folder: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    if (root / ".git").exists():
        with pytest.raises(SettingsError, match="repository"):
            check_untracked(root / "docs" / "pictures")
        check_untracked(root / "out" / "overlays")
    readings = Readings(
        {Role.CLASSIFIER: BrightnessExpert(), Role.DETECTOR: BrightnessExpert(Role.DETECTOR)}
    )
    written = write_overlays(folder, tmp_path / "seen", readings, most=2)
    assert {path.stem for path in written} >= {"classifier-nodule", "detector-nodule"}
    assert "licence" in (tmp_path / "seen/README.txt").read_text()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 10, 40])
def test_best_middle_and_worst_never_repeat(count: int) -> None:
    groups = best_middle_worst(range(count), float, 3)
    shown = [item for _, group in groups for item in group]
    assert len(shown) == len(set(shown)) == min(count, 9)
    assert shown[0] == count - 1
    assert count < 2 or shown[-1] == 0


def test_tables_of_a_page_are_replaced_and_its_prose_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- begin a -->\nold\n<!-- end a -->\n\nProse.\n")
    refresh_tables(page, {"a": ["| new |"], "b": ["| added |"]})
    text = page.read_text()
    assert "old" not in text and "| new |" in text and "Prose." in text
    assert text.index("Prose.") < text.index("| added |")
    refresh_tables(page, {"a": ["| new |"], "b": ["| added |"]})
    assert page.read_text() == text
    page.write_text("<!-- begin a -->")
    with pytest.raises(ReportError, match="does not end"):
        refresh_tables(page, {"a": []})


def test_masks_are_measured_where_only_they_are_there(shared_data: Path, tmp_path: Path) -> None:
    """Two real films with outlines, in a folder that holds nothing else."""
    import csv

    rows = list(csv.DictReader((shared_data / "jsrt/split.csv").open(encoding="utf-8-sig")))
    rows = [row for row in rows if row["split"] == "val"][:2]
    write_table(tmp_path / "jsrt/split.csv", rows)
    for part in ("images", "masks"):
        (tmp_path / "jsrt" / part).mkdir()
        for row in rows:
            for file in (shared_data / "jsrt" / part).glob(f"{row['image']}*"):
                (tmp_path / "jsrt" / part / file.name).symlink_to(file)
    report = evaluate_experts(tmp_path, lineup=Lineup.shipped(), cost=False)
    assert report.classifier is None and report.anatomy is not None
    lungs = next(o for o in report.anatomy.overlap if o.structure == "left_lung")
    assert lungs.images == 2 and lungs.mean > 0.9
    assert report.anatomy.cardiothoracic is not None
