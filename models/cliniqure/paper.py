"""CliniQure's writer at the paper's size, counted on the meta device."""

from __future__ import annotations

from typing import Final

from models.language.adapters import LoraSettings, add_lora
from models.language.architectures import meta_language_model
from models.reports.counting import ParameterCount, PublishedCount, count_parameters

LANGUAGE_MODEL: Final = "opt-1.3b"
LORA: Final = LoraSettings(rank=8, alpha=32.0, dropout=0.1, targets=("q_proj", "v_proj"))
"""Table 6. The paper does not say which layers carry adapters; these are peft's own for OPT."""


def paper_count() -> ParameterCount:
    """OPT-1.3b with the paper's adapters."""
    network = meta_language_model(LANGUAGE_MODEL)
    add_lora(network, LORA)
    return count_parameters(network, {"lora_": "adapters"})


def count_cliniqure() -> tuple[PublishedCount, ...]:
    """The paper states the language model's size alone."""
    count = paper_count()
    return (
        PublishedCount(
            row="OPT-1.3b",
            ours=count.total - count.trainable,
            figure=1.3e9,
            source="section 5.2",
        ),
        PublishedCount(
            row="adapters, rank 8",
            ours=count.trainable,
            figure=float("nan"),
            source="table 6",
            reason="the paper states the rank and no count; query and value projections of all "
            "24 layers, peft's own choice for OPT",
        ),
    )
