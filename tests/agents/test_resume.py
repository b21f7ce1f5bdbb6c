"""Going on after a kill, and what a checkpoint may hold and bring back."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path
from typing import get_args, get_type_hints

import ormsgpack
import pytest
from fakes import (
    FakeExpert,
    classifications,
    default_experts,
    effusion_box,
    fake_services,
    fake_settings,
    heart_ratio,
)
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG
from pydantic import BaseModel

from agents.checkpoints import open_checkpoints, serializer
from agents.drafting import DraftOptions, draft_study, resume_draft, unfinished_drafts
from agents.state import STATE_TYPES, DraftState, EvidenceSet, ExpertOutput, LoadedStudy
from findings.errors import ResourceError, StudyError, UserInputError
from findings.evidence import RegionMask, RunLengthMask
from findings.regions import Region
from findings.vocabulary import Finding
from tools.contract import Role

ROOT = Path(__file__).resolve().parents[2]
INDICATION = "Cough of Jane Roe"


@pytest.fixture
def killed(film: Path) -> str:
    """The thread of a draft that was killed after its classifier and segmenter had answered."""
    run = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_run.py")), str(film)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout is not None
    waiting = {"experts.classifier", "experts.segmenter"}
    for line in run.stdout:
        waiting.discard(line.strip())
        if not waiting:
            break
    _wait_until_kept(film, answers=2)  # an answer is shown just before it is kept
    run.send_signal(signal.SIGKILL)
    run.wait(timeout=10)
    run.stdout.close()
    assert not waiting
    [unfinished] = unfinished_drafts(fake_settings(film.parent))
    assert unfinished.next_node == "expert"
    return unfinished.thread_id


def _wait_until_kept(film: Path, answers: int) -> None:
    file = fake_settings(film.parent).checkpoint_file
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with sqlite3.connect(file) as connection:
            (kept,) = connection.execute(
                "SELECT COUNT(*) FROM writes WHERE channel = 'outputs' AND task_path LIKE '%PUSH%'"
            ).fetchone()
        if kept >= answers:
            return
        time.sleep(0.02)
    raise AssertionError("the experts' answers were not kept")


def test_a_killed_draft_goes_on_without_repeating_the_experts_that_had_answered(
    film: Path, killed: str
) -> None:
    settings = fake_settings(film.parent)
    experts = default_experts()
    outcome = resume_draft(
        killed,
        settings,
        indication=INDICATION,
        out=film.parent / "out",
        services=fake_services(experts),
    )
    assert not experts[Role.CLASSIFIER].runs
    assert not experts[Role.SEGMENTER].runs
    assert len(experts[Role.DETECTOR].runs) == len(experts[Role.MEASURER].runs) == 1
    whole = draft_study(
        film,
        DraftOptions(out=film.parent / "whole", aggregator="phraser", indication=INDICATION),
        settings,
        services=fake_services(),
    )
    same = {"timings": {}}
    assert outcome.draft.model_copy(update=same) == whole.draft.model_copy(update=same)
    assert unfinished_drafts(settings) == ()


def test_a_changed_film_or_other_words_are_refused(film: Path, killed: str) -> None:
    settings, services = fake_settings(film.parent), fake_services()
    with pytest.raises(UserInputError, match="same texts"):
        resume_draft(killed, settings, services=services)
    film.write_bytes(b"another film" * 400)
    with pytest.raises(StudyError, match="have changed"):
        resume_draft(killed, settings, indication=INDICATION, services=services)


def test_an_unknown_thread_and_a_damaged_file_are_told_plainly(tmp_path: Path) -> None:
    settings = fake_settings(tmp_path)
    with pytest.raises(UserInputError, match="no draft with that thread"):
        resume_draft("0123-abcd", settings, services=fake_services())
    settings.checkpoint_file.write_bytes(b"this is no database" * 100)
    with pytest.raises(ResourceError, match="cannot be opened"):
        resume_draft("0123-abcd", settings, services=fake_services())


def test_checkpoints_and_logs_and_audit_hold_no_patient_words(
    film: Path, killed: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    # A command that ran in this process before keeps its log to itself.
    monkeypatch.setattr(logging.getLogger("readingroom"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("readingroom"), "level", logging.DEBUG)
    settings = fake_settings(film.parent)
    planted = ("Jane Roe", "Roe^Jane", "MRN 4711")
    draft_study(
        film,
        DraftOptions(
            out=film.parent / "out",
            aggregator="phraser",
            indication="Cough of Jane Roe, MRN 4711",
            prior_report="Roe^Jane: there was a left pleural effusion.",
        ),
        settings,
        services=fake_services(),
    )
    kept = b"".join(path.read_bytes() for path in settings.cache_dir.glob("checkpoints*"))
    kept += (film.parent / "out" / "audit.jsonl").read_bytes() + caplog.text.encode()
    for words in planted:
        assert words.encode() not in kept
    ours = "".join(r.getMessage() for r in caplog.records if r.name.startswith("readingroom"))
    assert str(film) not in ours + (film.parent / "out" / "audit.jsonl").read_text()
    assert "thread=" in ours


def test_checkpoints_hold_no_pixels_and_only_their_owner_may_read_them(film: Path) -> None:
    film.write_bytes(b"\x11\x22\x33\x44\x55\x66\x77\x88" * 512)
    settings = fake_settings(film.parent)
    options = DraftOptions(out=film.parent / "out", aggregator="phraser")
    draft_study(film, options, settings, services=fake_services())
    file = settings.checkpoint_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as connection:
        blobs = connection.execute("SELECT checkpoint FROM checkpoints").fetchall()
    assert len(blobs) == 1  # what led there is forgotten
    assert b"ndarray" not in blobs[0][0] and b"float32" not in blobs[0][0]
    assert len(blobs[0][0]) < 64 * 64 * 4 * 4


def test_state_comes_back_as_it_was() -> None:
    mask = RegionMask(
        id="E3",
        expert="segmenter",
        version="1",
        region=Region.LEFT_LUNG,
        box=(0, 0, 2, 2),
        mask=RunLengthMask(height=2, width=2, runs=(1, 2, 1)),
        quality=0.9,
    )
    values = {
        "study": LoadedStudy(study_key="ab", prior_key=None),
        "outputs": {
            "classifier": ExpertOutput(
                role=Role.CLASSIFIER, evidence=classifications({Finding.NODULE: 0.7})
            )
        },
        "evidence": EvidenceSet(items=(mask, effusion_box(), heart_ratio(0.6))),
        "warnings": ["one"],
    }
    serde = serializer()
    assert serde.loads_typed(serde.dumps_typed(values)) == values


def test_nothing_but_the_states_own_types_is_brought_back(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    serde = serializer()
    trap = tmp_path / "sprung"
    call = ormsgpack.packb(("os", "system", f"touch {trap}"))
    forged = ormsgpack.packb({"x": ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, call)})
    assert serde.loads_typed(("msgpack", forged)) == {"x": f"touch {trap}"}
    assert not trap.exists()
    with pytest.raises(NotImplementedError):
        serde.loads_typed(("pickle", b"cos\nsystem\n(S'true'\ntR."))
    with pytest.raises(TypeError):
        serde.dumps_typed(object())
    assert all(not kind.__module__.startswith(("builtins", "os")) for kind in STATE_TYPES)


def test_a_whole_run_meets_no_type_outside_the_list(
    film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    options = DraftOptions(out=film.parent / "out", aggregator="phraser")
    settings = fake_settings(film.parent)
    draft_study(film, options, settings, services=fake_services())
    with open_checkpoints(settings.checkpoint_file) as saver:
        assert len(list(saver.list(None))) == 1
    assert "Blocked deserialization" not in caplog.text
    assert "unregistered type" not in caplog.text


def test_an_expert_that_hangs_does_not_hold_up_the_next_run(film: Path) -> None:
    experts = default_experts()
    experts[Role.CLASSIFIER] = FakeExpert(Role.CLASSIFIER, seconds=60)
    options = DraftOptions(out=film.parent / "out", aggregator="phraser")
    settings = fake_settings(film.parent, limit=2.0)
    first = draft_study(film, options, settings, services=fake_services(experts)).draft
    assert [note.status for note in first.experts if note.role == "classifier"] == ["timed_out"]
    second = draft_study(film, options, settings, services=fake_services()).draft
    assert not [note for note in second.experts if note.role == "classifier"]


def _types_in(annotation: object) -> set[type]:
    """The models and enumerations that an annotation is made of, those of their fields included."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {annotation}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = (field.annotation for field in annotation.model_fields.values())
        return {annotation}.union(*(_types_in(field) for field in fields))
    return set().union(*(_types_in(part) for part in get_args(annotation)))


def test_every_type_that_a_checkpoint_holds_may_come_back() -> None:
    kept = set().union(*(_types_in(hint) for hint in get_type_hints(DraftState).values()))
    assert len(kept) > 30
    assert kept <= set(STATE_TYPES), kept - set(STATE_TYPES)
