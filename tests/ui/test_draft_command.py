"""`readingroom draft`: what it prints of a finished draft, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.drafting import DraftOutcome
from imaging.loading import load_study
from reporting.files import read_draft
from ui.cli.draft import show

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


@pytest.mark.parametrize("as_json", [False, True])
def test_the_report_goes_to_output_and_what_to_mind_to_errors(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, as_json: bool
) -> None:
    draft = read_draft(SAMPLES / "drafts" / "cardiomegaly" / "draft.json")
    warned = draft.model_copy(update={"warnings": ("the prior is the same picture",)})
    study = load_study(SAMPLES / "cardiomegaly.dcm")
    show(DraftOutcome(warned, study, tmp_path, "thread"), as_json=as_json)
    out, err = capsys.readouterr()
    assert "Warning: the prior is the same picture" in err and str(tmp_path) in err
    assert all(reason.text in err for reason in draft.gate.reasons)
    if as_json:
        assert json.loads(out)["study_key"] == draft.study_key
    else:
        assert "CHEST RADIOGRAPH REPORT" in out and "Warning" not in out
