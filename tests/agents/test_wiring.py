"""The real services: what settings choose, and what leaves no trace elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import classifications, effusion_box, fake_services, fake_settings, heart_ratio

from agents.drafting import DraftOptions, draft_study
from agents.settings import ExpertSettings, Settings
from agents.similar_reports import ReportNeighbours, shown
from agents.state import DraftRequest
from agents.wiring import chosen_experts, wire
from findings.errors import IndexUnavailableError, SettingsError
from findings.vocabulary import Finding, Language, Polarity
from reporting.draft import Writer
from tools.contract import Role

ROOT = Path(__file__).resolve().parents[2]


def test_every_role_gets_the_expert_that_the_settings_name(tmp_path: Path) -> None:
    experts = chosen_experts(Settings(cache_dir=tmp_path))
    assert set(experts) == set(Role) - {Role.VISION_LANGUAGE}
    assert all(expert.card.role is role for role, expert in experts.items())
    without = Settings(cache_dir=tmp_path, experts=ExpertSettings(detector="none"))
    assert Role.DETECTOR not in chosen_experts(without)
    unknown = Settings(cache_dir=tmp_path, experts=ExpertSettings(detector="oracle"))
    with pytest.raises(SettingsError, match="oracle"):
        chosen_experts(unknown)


def test_services_are_wired_without_loading_anything(tmp_path: Path) -> None:
    request = DraftRequest(path="x", aggregator=Writer.EMBEDDED)
    services = wire(Settings(cache_dir=tmp_path), request)
    assert services.backends == ()
    assert "models pull" in services.backend_warnings[0]
    assert services.neighbours is not None
    with pytest.raises(IndexUnavailableError):
        services.neighbours.neighbours(
            classifications({Finding.EDEMA: 0.9}), Language.ENGLISH, 3, 0.3
        )


def test_the_search_asks_for_what_is_shown_and_else_for_what_is_denied() -> None:
    ill = shown([*classifications({Finding.EDEMA: 0.9}), effusion_box(), heart_ratio(0.6)])
    assert {claim.finding for claim in ill} == {
        Finding.EDEMA,
        Finding.PLEURAL_EFFUSION,
        Finding.CARDIOMEGALY,
    }
    assert all(claim.present for claim in ill)
    well = shown([*classifications({}), heart_ratio(0.4)])
    assert len(well) == 8
    assert all(claim.polarity is Polarity.ABSENT for claim in well)
    assert shown([]) == ()


def test_nothing_shown_asks_nothing(tmp_path: Path) -> None:
    source = ReportNeighbours(tmp_path / "index", tmp_path)
    evidence: Sequence[object] = ()
    assert source.neighbours(evidence, Language.ENGLISH, 3, 0.3) == ()  # type: ignore[arg-type]
    assert source.model is None


def test_a_trace_is_never_sent(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_core.tracers import langchain as tracer

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "none")
    sent: list[object] = []
    monkeypatch.setattr(tracer.LangChainTracer, "_persist_run_single", sent.append, raising=False)
    made: list[object] = []
    original = tracer.LangChainTracer.__init__

    def counted(self: object, *args: object, **kwargs: object) -> None:
        made.append(self)
        original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(tracer.LangChainTracer, "__init__", counted)
    options = DraftOptions(out=film.parent / "out", aggregator="phraser")
    draft_study(film, options, fake_settings(film.parent), services=fake_services())
    assert not made and not sent


def test_settings_and_state_load_without_heavy_packages() -> None:
    code = (
        "import json, sys, agents.settings, agents.drafting, agents.events, agents.journal\n"
        "heavy = {'torch', 'langgraph', 'langchain_core', 'faiss', 'scipy', 'PIL', 'xllamacpp'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []
