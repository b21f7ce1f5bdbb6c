"""The field's own metrics through its library RadEval (MIT): CheXbert, RadGraph, RadCliQ, ...

They are never rewritten here. Each downloads its model from the hub on first use (GREEN's has
7 billion parameters). RadEval is an optional extra and is imported only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from findings.errors import ResourceError

INSTALL = "pip install 'radeval>=2.2'"


class FieldMetric(StrEnum):
    """Metrics of RadEval 2 that the papers report, by RadEval's names."""

    CHEXBERT = "f1chexbert"
    RADGRAPH = "radgraph"
    RADCLIQ = "radcliq"
    RATESCORE = "ratescore"
    GREEN = "green"


def field_scores(
    generated: Sequence[str], references: Sequence[str], metrics: Sequence[FieldMetric]
) -> dict[str, float]:
    """The figures that RadEval gives, by its own names of them.

    RadCliQ-v1 is an error: lower is better.

    Raises:
        ResourceError: RadEval is not installed, or a metric's model cannot be had here.
    """
    if not metrics:
        return {}
    try:
        from radeval import RadEval
    except ImportError as error:
        raise ResourceError(
            "CheXbert, RadGraph, RadCliQ, RaTEScore and GREEN come from the library RadEval, "
            f"which is not installed: {INSTALL}. The other columns need nothing more."
        ) from error
    figures: dict[str, float] = {}
    for metric in metrics:
        try:
            scores: dict[str, Any] = RadEval(metrics=[metric.value])(
                refs=list(references), hyps=list(generated)
            )
        except Exception as error:
            raise ResourceError(
                f"RadEval could not compute '{metric}' ({type(error).__name__}); it downloads that "
                "metric's model from the hub on first use. Leave it out, or run where the hub can "
                "be reached."
            ) from error
        figures |= {
            name: float(value) for name, value in scores.items() if isinstance(value, int | float)
        }
    return figures
