"""The command line from outside: speed of help, exit codes, one-sentence errors, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "cardiomegaly.dcm"
HEAVY = ("torch", "transformers", "faiss", "langgraph", "gradio", "pandas", "scipy", "numpy")


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    import os

    return subprocess.run(
        [sys.executable, "-m", "ui.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_answers_in_under_half_a_second() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert run("--help").returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, ui.cli.main; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(HEAVY) & set(out)


COMMANDS = ("draft", "ask", "review", "ui", "serve", "gate", "label", "sample", "doctor", "train")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout


def test_version() -> None:
    assert run("--version").stdout.startswith("readingroom")


def test_a_missing_study_is_one_sentence(tmp_path: Path) -> None:
    result = run("draft", str(tmp_path / "Example^Patient.dcm"), "--aggregator", "phraser")
    assert result.returncode == 3
    assert result.stderr.count("Error:") == 1
    assert "Traceback" not in result.stderr
    assert "Example^Patient" not in result.stderr + result.stdout


def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    result = run("--debug", "draft", str(tmp_path / "absent.dcm"))
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("READINGROOM_SEED", "seven"), ("READINGROOM_LANGUAGE", "la"), ("READINGROOM_CONFIG", "none")],
)
def test_a_wrong_setting_names_itself(name: str, value: str) -> None:
    result = run("doctor", **{name: value})
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_label_prints_one_object_per_line() -> None:
    lines = "No pleural effusion.\nSmall left pneumothorax.\n\n"
    result = run("label", "-", stdin=lines)
    assert result.returncode == 0
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["text"] for one in objects] == [
        "No pleural effusion.",
        "Small left pneumothorax.",
        "",
    ]
    (effusion,) = objects[0]["claims"]
    assert (effusion["finding"], effusion["polarity"]) == ("pleural_effusion", "absent")
    (pneumothorax,) = objects[1]["claims"]
    assert (pneumothorax["finding"], pneumothorax["side"]) == ("pneumothorax", "left")
    assert objects[2]["claims"] == []


def test_gate_reads_a_text_file_as_refused(tmp_path: Path) -> None:
    file = tmp_path / "note.dcm"
    file.write_text("not a picture")
    result = run("gate", str(file), "--json")
    assert result.returncode == 4
    answer = json.loads(result.stdout)
    assert answer["decision"] == "refuse"
    assert answer["reasons"]


def test_review_prints_its_table_as_json(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_text("The heart is normal in size. Large right pneumothorax.")
    done = run("review", str(SAMPLE), str(report), "--json", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    items = json.loads(done.stdout)["items"]
    missed = next(item for item in items if item["finding"] == "cardiomegaly")
    assert missed["type"] == "missed" and missed["evidence"] and missed["suggestion"]
    assert next(i for i in items if i["finding"] == "pneumothorax")["type"] == "unsupported"


def test_review_refuses_an_image_as_the_report(tmp_path: Path) -> None:
    done = run("review", str(SAMPLE), str(SAMPLE))
    assert done.returncode == 3 and "structured report" in done.stderr


def test_sample_writes_a_film_and_its_truth(tmp_path: Path) -> None:
    result = run("sample", str(tmp_path), "--seed", "3", "--size", "512", "--ctr", "0.55")
    assert result.returncode == 0, result.stderr
    assert {path.suffix for path in tmp_path.iterdir()} == {".dcm", ".png", ".json"}


def test_models_list_states_licences() -> None:
    result = run("models", "list")
    assert result.returncode == 0
    assert "Apache-2.0" in result.stdout


def test_doctor_reports_as_json(tmp_path: Path) -> None:
    result = run("doctor", "--json", READINGROOM_CACHE_DIR=str(tmp_path))
    assert result.returncode == 0, result.stdout
    report = json.loads(result.stdout)
    lacks = [check for check in report["checks"] if check["grade"] == "lacking"]
    assert lacks, "an empty cache lacks the pulled parts"
    assert all(check["advice"] for check in lacks)
