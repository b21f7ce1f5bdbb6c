"""Fitting the reconciler's weights: simulated votes whose right weights are known."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from agents.reconciliation import default_fusion, reconcile
from agents.reconciliation.fusion import Fusion
from evaluation.experts.fusion_fit import (
    KINDS,
    VoteTable,
    as_array,
    cross_fitted,
    fit_weights,
    fit_weights_by_finding,
    log_loss,
    vote_table,
)
from evaluation.experts.fusion_report import (
    ALONE,
    DEFAULTS,
    FITTED,
    evaluate_fusion,
    fitted_text,
    write_fusion,
)
from evaluation.experts.votes import FilmVotes, VotesHeader, read_votes, write_votes
from findings.claims import Claim
from findings.errors import SettingsError, StudyError
from findings.evidence import Classification, Clue, CrudeSentence, Detection, Evidence
from findings.vocabulary import Finding, Side
from tools.contract import Role

FINDINGS = (Finding.NODULE, Finding.PLEURAL_EFFUSION, Finding.PNEUMOTHORAX)
TRUE = np.array([1.0, 0.6, 0.0, 0.3, 0.0])


def simulated(films: int = 3000, seed: int = 0) -> VoteTable:
    """Labels drawn from the pool with the true weights; measurement and sentences are noise."""
    random = np.random.default_rng(seed)
    added = random.normal(0, 1.5, (films, len(FINDINGS), len(KINDS)))
    base = np.array([-2.0, -1.0, -1.5])
    odds = base + (added * TRUE).sum(axis=2)
    return VoteTable(
        findings=FINDINGS,
        added=added,
        spoken=np.ones_like(added, dtype=bool),
        truth=random.random(odds.shape) < 1 / (1 + np.exp(-odds)),
        base=base,
        patients=tuple(str(number // 2) for number in range(films)),
    )


def test_known_weights_are_recovered_and_noise_gets_none() -> None:
    weights = fit_weights(simulated(), prior=np.array([1.0, 0.8, TRUE[2], 0.8, 0.8]))
    assert weights == pytest.approx(TRUE, abs=0.08)
    assert (weights >= 0).all()


def test_the_weights_of_classifier_and_measurement_are_held() -> None:
    weights = fit_weights(simulated(300), prior=np.full(len(KINDS), 0.7))
    assert weights[KINDS.index("classification")] == weights[KINDS.index("measurement")] == 0.7


def test_a_kind_without_a_voice_keeps_its_default() -> None:
    table = simulated(400)
    table.added[:, :, KINDS.index("clue")] = 0.0
    weights = fit_weights(table, prior=np.full(len(KINDS), 0.4))
    assert weights[KINDS.index("clue")] == pytest.approx(0.4)


def test_a_findings_own_weights_move_only_where_many_films_ask_for_it() -> None:
    table = simulated(4000)
    told = table.added[:, 0, 1].copy()
    table.added[:, 0, 1] = np.random.default_rng(9).permutation(told)
    common = fit_weights(table, np.array([1.0, 0.5, 0.5, 0.5, 0.5]))
    own = fit_weights_by_finding(table, common)
    assert own[0, 1] < 0.2 < own[1, 1]
    few = fit_weights_by_finding(table.of(np.arange(12)), common)
    assert few[0, 1] == pytest.approx(common[1], abs=0.25)


def test_cross_fitting_never_uses_the_patients_own_films() -> None:
    table = simulated(200)
    honest = cross_fitted(table, np.full(len(KINDS), 0.5))
    turned = VoteTable(
        table.findings, table.added, table.spoken, table.truth.copy(), table.base, table.patients
    )
    turned.truth[:2] = ~turned.truth[:2]  # the two films of patient 0
    again = cross_fitted(turned, np.full(len(KINDS), 0.5))
    assert again[:2] == pytest.approx(honest[:2])
    assert again[2:] != pytest.approx(honest[2:])


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(StudyError, match="different patients"):
        cross_fitted(simulated(4), np.full(len(KINDS), 0.5))


def test_the_fit_beats_wrong_weights_out_of_sample() -> None:
    table = simulated(1000)
    fitted = cross_fitted(table, np.full(len(KINDS), 0.5))
    wrong = table.pooled(np.array([0.2, 0.0, 1.0, 0.0, 1.0]))
    assert log_loss(fitted, table.truth).mean() < log_loss(wrong, table.truth).mean()


def _votes(films: int = 120, seed: int = 0) -> list[FilmVotes]:
    """Films on which an honest classifier, a helpful detector and a talkative text speak."""
    random = np.random.default_rng(seed)
    votes = []
    for number in range(films):
        evidence: list[Evidence] = []
        labels = {}
        for finding in FINDINGS:
            probability = float(random.uniform(0.02, 0.9))
            ill = bool(random.random() < probability)
            labels[finding] = ill
            common = {"version": "1", "finding": finding}
            evidence.append(
                Classification(
                    id=f"E{len(evidence) + 1}",
                    probability=probability,
                    threshold=0.5,
                    sensitive_threshold=0.2,
                    confident_threshold=0.8,
                    expert="finding_classifier",
                    **common,
                )
            )
            for chance in (0.75, 0.4) if ill else (0.05,):
                if random.random() < chance:
                    evidence.append(
                        Detection(
                            id=f"E{len(evidence) + 1}",
                            probability=0.93,
                            box=(1, 1, 5, 5),
                            side=Side.LEFT,
                            expert="finding_detector",
                            **common,
                        )
                    )
            evidence.append(
                Clue(
                    id=f"E{len(evidence) + 1}",
                    probability=float(random.random()),
                    text="",
                    expert="clue_retriever",
                    **common,
                )
            )
        evidence.append(
            CrudeSentence(
                id=f"E{len(evidence) + 1}",
                expert="crude_report",
                version="1",
                text="A nodule.",
                claims=(Claim(finding=Finding.NODULE),),
            )
        )
        votes.append(
            FilmVotes(
                image=str(number), patient=str(number), labels=labels, evidence=tuple(evidence)
            )
        )
    return votes


def test_the_pool_of_the_table_is_the_reconcilers() -> None:
    fusion = default_fusion()
    votes = _votes(20)
    pooled = vote_table(votes, fusion).pooled(as_array(fusion.weights))
    for row, own in enumerate(votes):
        ledger = reconcile(own.evidence, fusion)
        for column, finding in enumerate(FINDINGS):
            entries = [e.probability for e in ledger.entries if e.finding is finding]
            assert pooled[row, column] == pytest.approx(max(entries), abs=2e-6)


def test_the_report_shows_a_gain_where_there_is_one_and_noise_as_none() -> None:
    report = evaluate_fusion(_votes(400), default_fusion())
    assert report.worth_writing
    assert report.weights.of("detection", "finding_detector") > 0.3
    assert report.weights.of("clue", "clue_retriever") < 0.15
    by_name = {g.finding: g for g in report.findings}
    assert by_name[Finding.PNEUMOTHORAX].auc_gain.low > 0
    assert report.pool(FITTED).log_loss.value < report.pool(ALONE).log_loss.value
    assert report.spoken["measurement"] == 0
    assert any("pneumothorax" in line for line in report.markdown())
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_no_votes_are_refused() -> None:
    with pytest.raises(StudyError, match="no votes"):
        evaluate_fusion([], default_fusion())


def test_fitted_values_go_into_the_file_and_only_they(tmp_path: Path) -> None:
    report = evaluate_fusion(_votes(200), default_fusion())
    file = tmp_path / "fusion.toml"
    write_fusion(file, report, "the command")
    text = file.read_text(encoding="utf-8")
    written = Fusion.model_validate(tomllib.loads(text))
    assert written.weights == report.weights
    assert written.base_rate(Finding.NODULE) == report.base_rates[Finding.NODULE]
    fitted = {"weights", "base_rates", "version"}
    assert written.model_dump(exclude=fitted) == default_fusion().model_dump(exclude=fitted)
    assert int(written.version) == int(default_fusion().version) + 1
    assert "the command" in text and "so that its own probability stands" in text
    again = fitted_text(text, report, "another comment")
    assert "the command" not in again and "another comment" in again


def test_worse_weights_are_not_written(tmp_path: Path) -> None:
    report = evaluate_fusion(_votes(60), default_fusion())
    pools = [
        pool.model_copy(update={"log_loss": pool.log_loss.model_copy(update={"value": 0.0})})
        if pool.name == DEFAULTS
        else pool
        for pool in report.pools
    ]
    worse = report.model_copy(update={"pools": tuple(pools)})
    with pytest.raises(SettingsError, match="worse"):
        write_fusion(tmp_path / "fusion.toml", worse, "the command")
    assert not (tmp_path / "fusion.toml").exists()


def test_a_file_without_a_value_is_refused() -> None:
    report = evaluate_fusion(_votes(60), default_fusion())
    shipped = resources.files("agents").joinpath("data", "fusion.toml").read_text("utf-8")
    with pytest.raises(SettingsError, match="weights"):
        fitted_text(shipped.replace("clue_retriever =", "clew ="), report, "")


def test_votes_are_kept_for_the_same_experts_only(tmp_path: Path) -> None:
    file, votes = tmp_path / "votes.jsonl", tuple(_votes(5))
    header = VotesHeader(split="val", experts={Role.CLASSIFIER: "one 1"})
    assert read_votes(file, header) is None
    write_votes(file, header, votes)
    assert read_votes(file, header) == votes
    assert read_votes(file, header.model_copy(update={"split": "all"})) is None
    file.write_text(file.read_text(encoding="utf-8") + "{damaged\n", encoding="utf-8")
    assert read_votes(file, header) is None
