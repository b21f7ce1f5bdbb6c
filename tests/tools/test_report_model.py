"""Report models as crude-report experts, trained networks by folder, and the pipeline by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.crude_choice import with_crude_report
from agents.settings import Settings, default_cache_dir, load_settings
from agents.wiring import chosen_experts
from findings.errors import ExpertError, SettingsError, WeightsError
from findings.evidence import Classification, CrudeSentence, Detection
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from imaging.study import Study, StudyImage
from imaging.synthetic import SampleRequest, generate
from models.cliniqure.prompting import PlacedBox
from models.reports.contract import ReportModelName, WrittenReport
from retrieval.sources import find_encoder
from tools.contract import ExpertContext, ExpertOptions, Role
from tools.registry import build, names, patterns
from tools.report_model import ReportModelExpert, observation, weights_folder

BLANK = Study(images=(StudyImage(display=np.zeros((32, 32), np.float32)),), study_key="blank")


def leave_weights(folder: Path, name: str) -> Path:
    """What tells a folder of weights: its config and a weights file."""
    folder.mkdir(parents=True)
    described = {"name": name, "version": "1.0", "licence": "x", "weights_sha256": "0" * 64}
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


class Scripted:
    """A report model that writes what it was told to."""

    name = ReportModelName.TRRG
    language = Language.ENGLISH

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences
        self.seeds: list[int] = []

    def write(
        self, displays: Sequence[Any], seed: int = 0, decoding: object = None
    ) -> tuple[WrittenReport, ...]:
        """The same of every film."""
        self.seeds.append(seed)
        return tuple(WrittenReport(self.sentences, " ".join(self.sentences)) for _ in displays)


def expert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Scripted, name: str = "trrg"
) -> ReportModelExpert:
    """The expert over a folder of weights that loads as the scripted writer."""
    models = tmp_path / "models"
    if not (models / name).exists():
        leave_weights(models / name / "weights", name)
    monkeypatch.setattr(ReportModelExpert, "_load", lambda self: writer)
    options = ExpertOptions(report_models=models)
    made = build(Role.CRUDE_REPORT, f"report:{name}", tmp_path, options)
    assert isinstance(made, ReportModelExpert)
    return made


def test_every_report_model_is_known_by_name_and_folder() -> None:
    known = names(Role.CRUDE_REPORT)
    assert {f"report:{name}" for name in ReportModelName} <= set(known)
    assert "report:MODEL:/FOLDER" in patterns(Role.CRUDE_REPORT)
    assert "trained:/FOLDER" in patterns(Role.CLASSIFIER)


def test_sentences_become_evidence_that_is_read_for_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Scripted("There is a small left pleural effusion.", "Thank you for the referral.")
    own = expert(tmp_path, monkeypatch, writer)
    first, second = own.run(BLANK, ExpertContext(seed=7))
    assert isinstance(first, CrudeSentence) and isinstance(second, CrudeSentence)
    assert (first.finding, first.side) == (Finding.PLEURAL_EFFUSION, Side.LEFT)
    assert (first.expert, first.version, second.claims) == ("trrg", "1.0", ())
    assert writer.seeds == [7]
    assert own.card.sha256 == "0" * 64 and own.card.uses == ()


def test_without_weights_it_says_how_to_train(tmp_path: Path) -> None:
    made = build(Role.CRUDE_REPORT, "report:trrg", tmp_path)
    assert not made.installed()
    with pytest.raises(ExpertError, match="readingroom train report --model trrg"):
        made.run(BLANK, ExpertContext())


def test_the_shipped_clala_net_writes_of_a_drawn_chest() -> None:
    cache = default_cache_dir()
    if find_encoder(cache, threads=1) is None:
        pytest.skip("the encoder was not pulled: readingroom models pull all-minilm-l6-v2-int8")
    pixels = generate(SampleRequest(seed=7)).pixels.astype(np.float32)
    study = Study(images=(StudyImage(display=pixels / 4095),), study_key="drawn")
    made = build(Role.CRUDE_REPORT, "report:clala", cache)
    found = made.run(study, ExpertContext(seed=3))
    assert found == made.run(study, ExpertContext(seed=4))
    sentences = [item for item in found if isinstance(item, CrudeSentence)]
    assert sentences and len(sentences) == len(found)
    told = {claim.finding for item in sentences for claim in item.claims}
    assert told & {Finding.CARDIOMEGALY, Finding.PLEURAL_EFFUSION, Finding.LUNG_OPACITY}


def test_weights_are_looked_for_in_the_settings_folder_first(tmp_path: Path) -> None:
    cache, models = tmp_path / "cache", tmp_path / "models"
    assert weights_folder(ReportModelName.TRRG, cache, models) is None
    pulled = leave_weights(cache / "report_models" / "trrg", "trrg")
    assert weights_folder(ReportModelName.TRRG, cache, models) == pulled
    own = leave_weights(models / "trrg" / "weights", "trrg")
    assert weights_folder(ReportModelName.TRRG, cache, models) == own
    named = build(Role.CRUDE_REPORT, f"report:trrg:{pulled}", tmp_path)
    assert named.installed()


@pytest.mark.parametrize("name", ["report:", "report:gpt", "report:trrg:relative", "trained:x"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        build(Role.CRUDE_REPORT, name, tmp_path)


def test_cliniqure_is_given_what_the_study_s_experts_state() -> None:
    common: dict[str, Any] = {"expert": "x", "version": "1"}
    judged: dict[str, Any] = common | {
        "threshold": 0.1,
        "sensitive_threshold": 0.1,
        "confident_threshold": 0.5,
    }
    seen = observation(
        (
            Classification(id="E1", finding=Finding.EDEMA, probability=0.3, **judged),
            Classification(id="E2", finding=Finding.MASS, probability=0.9, **judged),
            Classification(id="E3", finding=Finding.HERNIA, probability=0.1, **judged),
            Classification(
                id="E4", finding=Finding.TUBERCULOSIS, probability=0.9, screen=True, **judged
            ),
            Detection(
                id="E5",
                finding=Finding.NODULE,
                probability=0.5,
                box=(0, 0, 1, 1),
                side=Side.LEFT,
                region=Region.LEFT_UPPER_ZONE,
                **common,
            ),
            Detection(
                id="E6",
                finding=Finding.HERNIA,
                probability=0.5,
                box=(0, 0, 1, 1),
                weak=True,
                **common,
            ),
        ),
        "The heart is large.",
    )
    assert seen.classes == (Finding.MASS, Finding.EDEMA)
    assert seen.boxes == (PlacedBox(Finding.NODULE, Side.LEFT, Region.LEFT_UPPER_ZONE),)
    assert seen.crude == "The heart is large."


def test_cliniqure_uses_the_classifier_and_the_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = expert(tmp_path, monkeypatch, Scripted("x."), "cliniqure")
    assert own.card.uses == (Role.CLASSIFIER, Role.DETECTOR)


def test_a_draft_takes_a_model_by_its_short_name(tmp_path: Path) -> None:
    leave_weights(tmp_path / "m" / "trrg", "trrg")
    settings = Settings(cache_dir=tmp_path)
    settings = settings.model_copy(
        update={"experts": settings.experts.model_copy(update={"report_models": tmp_path / "m"})}
    )
    assert with_crude_report(settings, "trrg").experts.crude_report == "report:trrg"
    assert with_crude_report(settings, "embedded").experts.crude_report == "embedded"
    assert with_crude_report(settings, "none").experts.crude_report == "none"
    with pytest.raises(WeightsError, match="--model cliniqure"):
        with_crude_report(settings, "cliniqure")
    with pytest.raises(SettingsError):
        with_crude_report(settings, "gpt")


def test_the_pipeline_of_cliniqure_is_one_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("READINGROOM_CONFIG", "cliniqure")
    settings = load_settings(cache_dir=tmp_path)
    chosen = chosen_experts(settings)
    assert set(chosen) == {Role.CLASSIFIER, Role.DETECTOR, Role.SEGMENTER, Role.CRUDE_REPORT}
    assert chosen[Role.CRUDE_REPORT].card.name == "cliniqure"
    assert settings.llm.aggregator == "phraser" and not settings.retrieval.enabled
    monkeypatch.setenv("READINGROOM_CONFIG", "no-such-pipeline")
    with pytest.raises(SettingsError, match="cliniqure"):
        load_settings()


def test_a_trained_classifier_plays_its_role_by_folder(tmp_path: Path, cache: Path) -> None:
    from models.shipping import SHIPPED

    shipped = build(Role.CLASSIFIER, "embedded", cache)
    own = build(Role.CLASSIFIER, f"trained:{SHIPPED / 'finding_classifier'}", cache)
    assert own.installed() and own.card == shipped.card
    absent = build(Role.CLASSIFIER, f"trained:{tmp_path / 'absent'}", cache)
    assert not absent.installed()
    with pytest.raises(ExpertError):
        absent.run(BLANK, ExpertContext())
