"""The HTTP interface against its own description, with requests drawn from it (schemathesis)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from agents.room import Room, Shelf
from agents.settings import ApiSettings, Settings
from ui.api.app import create_app

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
KEY = "contract-key"
HEADERS = {"Authorization": f"Bearer {KEY}"}
EXAMPLES = 4
# Whether a file is a study, or words hold a question or can be printed, no schema says.
BY_CONTENT_ALONE = ("/v1/studies", "/v1/chat/completions", "/v1/studies/{study_id}/edits")
BY_CONTENT = [positive_data_acceptance, negative_data_rejection]


def drafted_study(folder: Path) -> str:
    """The id of a sample study with its draft, given by the owner of the key."""
    study = Shelf(folder, sha256(KEY.encode()).hexdigest()).add(
        (SAMPLES / "cardiomegaly.png").read_bytes()
    )
    shutil.copytree(SAMPLES / "drafts" / "cardiomegaly", study.draft_folder)
    return study.id


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A drafted study's id and the application's description."""
    folder = tmp_path_factory.mktemp("room")
    chosen = Settings(
        data_dir=folder,
        cache_dir=folder / "cache",
        api=ApiSettings(keys=(KEY,), requests_per_minute=1_000_000),
    )
    # No draft is begun: the line takes none.
    room = Room(chosen, folder / "room", waiting=0)
    app = create_app(chosen, room)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    yield drafted_study(folder / "room"), schema
    room.close()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_what_is_answered_is_what_is_described(study: tuple[str, Any], mode: Any) -> None:
    key, schema = study
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(mode, headers=HEADERS))
        def check(case: Any) -> None:
            if case.method != "DELETE" and "study_id" in (case.path_parameters or {}):
                case.path_parameters["study_id"] = key
            if isinstance(case.body, dict) and "model" in case.body:
                case.body["model"] = f"readingroom:{key}"
            free = case.operation.path in BY_CONTENT_ALONE
            case.call_and_validate(excluded_checks=BY_CONTENT if free else [])

        try:
            check()
        except Unsatisfiable:
            continue  # it takes nothing that could be wrong
        seen += 1
    assert seen >= 5
