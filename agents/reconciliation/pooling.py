"""Log-odds pooling of calibrated probabilities against a base rate.

With base rate b and voices p_i of weight w_i, the pool P satisfies
logit P = logit b + Σ w_i (logit p_i − logit b). One voice of weight 1 is left as it is; voices of
weight 0 change nothing; independent voices of weight 1 combine as naive Bayes does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


def logit(probability: float) -> float:
    """Log-odds of a probability strictly between 0 and 1."""
    return math.log(probability / (1.0 - probability))


def expit(log_odds: float) -> float:
    """The probability with these log-odds."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def contribution(
    probability: float, base_rate: float, weight: float, lowest: float, highest: float
) -> float:
    """What one voice adds to the log-odds of the pool; its probability is bounded first."""
    bounded = min(max(probability, lowest), highest)
    return weight * (logit(bounded) - logit(min(max(base_rate, 1e-6), 1 - 1e-6)))


def pool(base_rate: float, contributions: Iterable[float]) -> float:
    """The pooled probability, rounded to six places so that the order of voices cannot show."""
    base = min(max(base_rate, 1e-6), 1 - 1e-6)
    return round(expit(logit(base) + math.fsum(contributions)), 6)
