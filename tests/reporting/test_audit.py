"""The audit log notices every change and takes no patient data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.errors import ReportError, UserInputError
from reporting.audit import GENESIS, append, read_events, verify_chain


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    append(path, "draft.begun", {"seed": 0}, time=datetime(2026, 1, 2, tzinfo=UTC))
    append(path, "expert.finished", {"name": "classifier", "seconds": 0.25, "ok": True})
    append(path, "draft.written", {"sha256": "ab" * 32, "note": None})
    return path


def test_chain_links_each_event_to_the_one_before(log: Path) -> None:
    events = list(read_events(log))
    assert [event.index for event in events] == [0, 1, 2]
    assert events[0].prev == GENESIS
    assert [event.prev for event in events[1:]] == [event.hash for event in events[:-1]]
    assert events[0].time == "2026-01-02T00:00:00.000+00:00"
    assert verify_chain(log, events[-1].hash) == 3


@pytest.mark.parametrize("line", [0, 1, 2])
@pytest.mark.parametrize("field", ["event", "time", "details", "index", "prev", "hash"])
def test_changed_field_is_noticed(log: Path, line: int, field: str) -> None:
    lines = log.read_text().splitlines()
    event = json.loads(lines[line])
    event[field] = {
        "event": "other.event",
        "time": "2020-01-01T00:00:00.000+00:00",
        "details": {"seed": 1},
        "index": 7,
        "prev": "1" * 64,
        "hash": "2" * 64,
    }[field]
    lines[line] = json.dumps(event, sort_keys=True, separators=(",", ":"))
    log.write_text("\n".join(lines) + "\n")
    with pytest.raises(ReportError, match="changed"):
        verify_chain(log)


def test_removed_reordered_and_repeated_lines_are_noticed(log: Path) -> None:
    first, second, third = log.read_text().splitlines(keepends=True)
    for text in (second + third, first + third, first + third + second, first + first + second):
        log.write_text(text)
        with pytest.raises(ReportError):
            verify_chain(log)


def test_cut_off_end_needs_the_last_hash(log: Path) -> None:
    last = list(read_events(log))[-1].hash
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2]))
    assert verify_chain(log) == 2
    with pytest.raises(ReportError, match="end"):
        verify_chain(log, last)


def test_damaged_end_stops_appending(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-5])
    before = log.read_bytes()
    with pytest.raises(ReportError):
        append(log, "draft.written")
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "details",
    [
        {"text": "Example^Patient"},
        {"text": "No pleural effusion,\nno pneumothorax"},
        {"text": "x" * 201},
        {"Bad Key": 1},
        {"seconds": float("nan")},
    ],
)
def test_details_that_could_hold_patient_data_are_refused(
    log: Path, details: dict[str, str | float]
) -> None:
    before = log.read_bytes()
    with pytest.raises(UserInputError):
        append(log, "draft.written", details)
    assert log.read_bytes() == before


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
            st.one_of(
                st.integers(-(2**53), 2**53),
                st.floats(allow_nan=False, allow_infinity=False),
                st.booleans(),
                st.none(),
                st.from_regex(r"[A-Za-z0-9._-]{0,20}", fullmatch=True),
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_appended_verifies(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, str | int | float | None]]
) -> None:
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    for details in events:
        append(log, "step.done", details)
    assert verify_chain(log) == len(events)
    assert [event.details for event in read_events(log)] == events
