"""What pooling the experts gains over the best of them alone, and the weights that gain it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.reconciliation.fusion import Fusion, Weights, default_fusion
from evaluation.bootstrap import Estimate, estimate
from evaluation.experts.fusion_fit import (
    EXPERTS,
    FOLDS,
    KINDS,
    VoteTable,
    as_array,
    as_weights,
    cross_fitted,
    fit_weights,
    log_loss,
    vote_table,
    with_base_rates,
)
from evaluation.experts.readings import Readings, Which, wanted
from evaluation.experts.votes import VOTERS, FilmVotes, kept_votes
from findings.claims import Frozen
from findings.errors import SettingsError
from findings.vocabulary import Finding
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import Split
from models.metrics import area_under_curve

DEFAULTS: Final = "weights and base rates in force"
MIXTURE: Final = "weights in force, base rates of these data"
FITTED: Final = "weights fitted, base rates of these data"
FITTED_BY_FINDING: Final = "weights fitted for each finding"
ALONE: Final = "classifier alone"
_FITTED_MARK: Final = "#:"
"""Begins the lines in which a fit says where its values come from."""


class PoolScore(Frozen):
    """One way to pool, over all findings."""

    name: str
    mean_auc: Estimate
    log_loss: Estimate = Field(description="mean over films of the sum over findings, nats")


class GainScore(Frozen):
    """One finding: the pool against the best single expert, paired on the same films."""

    finding: Finding
    positives: int
    best: str = Field(description="kind of the evidence with the largest AUC on these films")
    best_auc: float | None
    pool_auc: float | None
    auc_gain: Estimate
    best_log_loss: float
    pool_log_loss: float
    log_loss_gain: Estimate = Field(description="positive: the pool is better")


class FusionReport(Frozen):
    """The fit of the reconciler's weights; every figure is cross-fitted over patients.

    The classifier's stopping point, calibration and operating points were chosen on these same
    films, so its own figures are a little flattering, and the pool's gain over it is not.
    """

    films: int
    patients: int
    spoken: dict[str, int] = Field(description="kind -> (film, finding) pairs with such a voice")
    pools: tuple[PoolScore, ...]
    findings: tuple[GainScore, ...]
    weights: Weights = Field(description="fitted on all films")
    base_rates: dict[Finding, float]

    def pool(self, name: str) -> PoolScore:
        """The score of one way to pool."""
        return next(pool for pool in self.pools if pool.name == name)

    @property
    def worth_writing(self) -> bool:
        """Whether the fitted weights are no worse, cross-fitted, than those in force."""
        fitted, defaults = self.pool(FITTED), self.pool(DEFAULTS)
        return (fitted.log_loss.value or 0.0) <= (defaults.log_loss.value or 0.0)

    def markdown(self) -> list[str]:
        """The report as tables."""
        named = dict(zip(KINDS, as_array(self.weights), strict=True))
        lines = [
            f"{self.films} films of {self.patients} patients. Films × findings with a voice: "
            + ", ".join(f"{kind} {count}" for kind, count in self.spoken.items())
            + ".",
            "",
            "| pool | mean AUC (95 % interval) | log loss a film |",
            "|---|---|---|",
            *(
                f"| {pool.name} | {pool.mean_auc.shown()} | {pool.log_loss.shown()} |"
                for pool in self.pools
            ),
            "",
            "Weights fitted on all films: "
            + ", ".join(f"{kind} {named[kind]:g}" for kind in KINDS)
            + ".",
            "",
            "| finding | positive | best single | its AUC | pool's AUC | gain (95 % interval) "
            "| gain in log loss a film |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {g.finding} | {g.positives} | {g.best.replace('_', ' ')} | {_shown(g.best_auc)} "
            f"| {_shown(g.pool_auc)} | {g.auc_gain.shown()} | {g.log_loss_gain.shown()} |"
            for g in self.findings
        ]
        return lines


def evaluate_fusion(
    votes: Sequence[FilmVotes], fusion: Fusion, shares: Mapping[Finding, float] | None = None
) -> FusionReport:
    """Fit the weights on the votes and measure the pool, cross-fitted.

    ``shares`` are the findings' prevalences in the data that the experts were trained and
    calibrated on, by default those of the votes. An expert's probability holds for that mixture,
    so what it adds must be taken against its base rate.

    Raises:
        StudyError: no votes, or of too few patients.
    """
    first = vote_table(votes, fusion)
    rates = dict(shares) if shares is not None else _shares(first)
    mixture = with_base_rates(fusion, rates)
    table = vote_table(votes, mixture)
    prior = as_array(fusion.weights)
    pooled = {
        ALONE: table.pooled(_only("classification")),
        DEFAULTS: first.pooled(prior),
        MIXTURE: table.pooled(prior),
        FITTED: cross_fitted(table, prior),
        FITTED_BY_FINDING: cross_fitted(table, prior, by_finding=True),
    }
    return FusionReport(
        films=len(votes),
        patients=len(set(table.patients)),
        spoken={kind: int(table.spoken[:, :, number].sum()) for number, kind in enumerate(KINDS)},
        pools=tuple(_pool_score(name, table, values) for name, values in pooled.items()),
        findings=tuple(
            _gain(table, column, pooled[FITTED][:, column]) for column in range(len(table.findings))
        ),
        weights=as_weights(fit_weights(table, prior), fusion.weights),
        base_rates={finding: round(rate, 3) for finding, rate in rates.items()},
    )


def fusion_of(
    data: Path, split: Which, readings: Readings, file: Path | None = None
) -> FusionReport | None:
    """The fit on the NIH films of ``data``; None without voters or with too few patients.

    The votes are taken from ``file`` or kept there.
    """
    if not any(readings.installed(role) for role in VOTERS):
        return None
    patients = {r.patient for r in read_nih(data) if wanted(r.split, split)}
    if len(patients) < FOLDS:
        return None
    votes = kept_votes(file, data, split, readings)
    return evaluate_fusion(votes, default_fusion(), training_shares(data))


def write_fusion(file: Path, report: FusionReport, command: str) -> None:
    """Write the shipped constants with the fitted values, and a comment that says so.

    Raises:
        SettingsError: the fitted weights pool worse, cross-fitted, than those in force.
    """
    if not report.worth_writing:
        raise SettingsError(
            "The fitted weights pool worse on patients they were not fitted on than the weights "
            "in force, so they were not written. Keep those in force."
        )
    loss = report.pool(FITTED).log_loss, report.pool(DEFAULTS).log_loss
    comment = (
        f"Fitted on {report.films} NIH films of {report.patients} patients by\n"
        f"    {command}\n"
        f"Log loss a film, cross-fitted over patients: {loss[0].shown()}; before: "
        f"{loss[1].shown()}."
    )
    shipped = resources.files("agents").joinpath("data", "fusion.toml").read_text("utf-8")
    file.write_text(fitted_text(shipped, report, comment), encoding="utf-8")


def fitted_text(text: str, report: FusionReport, comment: str) -> str:
    """The text of `fusion.toml` with fitted weights and base rates, its other comments kept.

    The version is raised by one; ``comment`` takes the place of what an earlier fit said of itself.

    Raises:
        SettingsError: the text lacks a value that was fitted.
    """
    values = {
        f"weights.experts.{EXPERTS[kind]}" if kind in EXPERTS else f"weights.{kind}": weight
        for kind, weight in zip(KINDS, as_array(report.weights), strict=True)
    }
    values |= {f"base_rates.{name.value}": rate for name, rate in report.base_rates.items()}
    section, lines, written = "", [], set()
    for line in text.splitlines():
        if line.startswith(_FITTED_MARK):
            continue
        if version := re.fullmatch(r'version = "(\d+)"', line):
            lines.append(f'version = "{int(version[1]) + 1}"')
            continue
        if header := re.fullmatch(r"\[([a-z_.]+)\]", line):
            section = header[1]
            if section == "weights":
                lines += [f"{_FITTED_MARK} {part}" for part in comment.splitlines()]
        entry = re.match(r"([a-z_]+) = ([0-9.]+)(.*)", line)
        key = f"{section}.{entry[1]}" if entry else ""
        if entry and key in values:
            lines.append(f"{entry[1]} = {values[key]}{entry[3]}")
            written.add(key)
        else:
            lines.append(line)
    if missing := sorted(values.keys() - written):
        raise SettingsError(
            f"fusion.toml has no value for {', '.join(missing)}, so the fitted one cannot be "
            "written into it. Start from the file that ships with the application."
        )
    return "\n".join(lines) + "\n"


def training_shares(data: Path) -> dict[Finding, float] | None:
    """Prevalence of each finding among the NIH training rows; None where there are none."""
    rows = [record for record in read_nih(data) if record.split is Split.TRAIN]
    if not rows:
        return None
    return {
        Finding(name): sum(bool(row.labels[name]) for row in rows) / len(rows)
        for name in NIH_COLUMNS
    }


def _shares(table: VoteTable) -> dict[Finding, float]:
    """Prevalence among the films, one case of each kind added so that none is 0 or 1."""
    films = len(table.truth)
    return {
        finding: float((table.truth[:, column].sum() + 1) / (films + 2))
        for column, finding in enumerate(table.findings)
    }


def _only(kind: str) -> NDArray[np.float64]:
    return np.array([1.0 if own == kind else 0.0 for own in KINDS])


def _pool_score(name: str, table: VoteTable, pooled: NDArray[np.float64]) -> PoolScore:
    def mean_auc(films: NDArray[np.int64]) -> float:
        areas = [
            area_under_curve(pooled[films, column], table.truth[films, column])
            for column in range(len(table.findings))
        ]
        known = [area for area in areas if not np.isnan(area)]
        return sum(known) / len(known) if known else float("nan")

    loss = log_loss(pooled, table.truth).sum(axis=1)
    return PoolScore(
        name=name,
        mean_auc=estimate(mean_auc, table.patients),
        log_loss=estimate(lambda films: float(loss[films].mean()), table.patients),
    )


def _gain(table: VoteTable, column: int, pool: NDArray[np.float64]) -> GainScore:
    truth = table.truth[:, column]
    single = {kind: table.pooled(_only(kind))[:, column] for kind in KINDS}
    areas = {
        kind: area_under_curve(single[kind], truth)
        for number, kind in enumerate(KINDS)
        if table.spoken[:, column, number].any()
    }
    best = max(areas, key=lambda kind: np.nan_to_num(areas[kind])) if areas else KINDS[0]
    alone = single[best]
    loss, pool_loss = log_loss(alone, truth), log_loss(pool, truth)
    area = area_under_curve(pool, truth)
    return GainScore(
        finding=table.findings[column],
        positives=int(truth.sum()),
        best=best,
        best_auc=_number(areas.get(best, float("nan"))),
        pool_auc=_number(area),
        auc_gain=estimate(
            lambda films: (
                area_under_curve(pool[films], truth[films])
                - area_under_curve(alone[films], truth[films])
            ),
            table.patients,
        ),
        best_log_loss=float(loss.mean()),
        pool_log_loss=float(pool_loss.mean()),
        log_loss_gain=estimate(
            lambda films: float((loss - pool_loss)[films].mean()), table.patients
        ),
    )


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
