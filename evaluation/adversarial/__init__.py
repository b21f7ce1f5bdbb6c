"""Attempts to make a draft say more than its evidence: cases, hostile writers, a judge."""

from evaluation.adversarial.cases import Case, CaseKind, cases
from evaluation.adversarial.judge import Judgement, judge
from evaluation.adversarial.run import Attack, AttackReport, Target, attack_all, drafted
from evaluation.adversarial.writers import WRITERS, Liar, liar

__all__ = [
    "WRITERS",
    "Attack",
    "AttackReport",
    "Case",
    "CaseKind",
    "Judgement",
    "Liar",
    "Target",
    "attack_all",
    "cases",
    "drafted",
    "judge",
    "liar",
]
