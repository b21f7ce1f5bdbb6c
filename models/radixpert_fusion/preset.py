"""What a training preset of Radixpert's first version says, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import Field, model_validator

from models.reports.preset import ReportPreset
from models.training.presets import LoopSettings, PresetSettings


class FusionShape(PresetSettings):
    """Sizes; the paper gives none but the parameters that they add up to (Table II)."""

    pooled: int = Field(
        default=0, ge=0, description="patches a side that are attended to; 0: all of the encoder's"
    )
    crossings: int = Field(
        default=0,
        ge=0,
        description="cross-attention layers put into a Llama; 0: the model has its own",
    )
    gate_start: float = Field(
        default=0.0, description="of new cross-attention layers; 0 changes nothing at first"
    )
    inner: int = Field(default=856, gt=0, description="width within a level of the fusion")
    heads: int = Field(default=8, gt=0)
    gate_hidden: int = Field(default=1708, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    lora_alpha: float = Field(default=32.0, gt=0)


class FusionSwitches(PresetSettings):
    """The contributions. As they stand: Selective Cross-Modal Tuning over the gated fusion."""

    hcf: bool = Field(default=True, description="hierarchical fusion; off: patches as they are")
    gating: bool = Field(default=True, description="eqs. 1-2; off: the levels count alike")
    cross_attention: bool = Field(default=True, description="its layers are trained (eq. 5)")
    language_head: bool = Field(default=True, description="the output layer is trained (eq. 5)")
    lora_rank: int = Field(default=0, ge=0, description="0: no adapters")
    multi_stage: bool = Field(default=False, description="adapters of their own for each stage")
    final_lora_rank: int = Field(default=0, ge=0, description="the last row's further adapters")
    progressive: bool = Field(default=True, description="the broad set first, where there is one")

    @model_validator(mode="after")
    def _goes_together(self) -> FusionSwitches:
        if self.gating and not self.hcf:
            raise ValueError("without the hierarchical fusion there is nothing to gate")
        if (self.multi_stage or self.final_lora_rank) and not self.lora_rank:
            raise ValueError("without lora_rank there are no adapters to have stages")
        return self


class BroadStage(PresetSettings):
    """The broad set that is learnt first; the paper's is ROCO v2."""

    steps: int = Field(gt=0)
    folders: tuple[str, ...] = Field(default=(), description="of weak cases, beside each other")
    roco: str = Field(default="", description="folder of ROCO v2 within --data; blank: none")


class FusionPreset(ReportPreset):
    """One training run of Radixpert's first version."""

    shape: FusionShape = FusionShape()
    switches: FusionSwitches = FusionSwitches()
    broad: BroadStage | None = None

    def broad_loop(self) -> LoopSettings | None:
        """The loop of the first stage; None where there is none."""
        if self.broad is None or not self.switches.progressive:
            return None
        steps = self.broad.steps
        return self.loop.model_copy(
            update={"steps": steps, "validate_every": steps, "patience": self.loop.patience}
        )


_NOTHING: Final = {
    "hcf": False,
    "gating": False,
    "cross_attention": False,
    "language_head": False,
}
_STAGES: Final = {"lora_rank": 16, "multi_stage": True}

ROWS: Final[Mapping[str, FusionSwitches]] = MappingProxyType(
    {
        "s_cmt": FusionSwitches(),
        "base": FusionSwitches.model_validate(_NOTHING | {"progressive": False}),
        "lora": FusionSwitches.model_validate(_NOTHING | {"lora_rank": 16, "progressive": False}),
        "msa_lora": FusionSwitches.model_validate(_NOTHING | _STAGES),
        "hcf": FusionSwitches.model_validate(_NOTHING | _STAGES | {"hcf": True}),
        "gating": FusionSwitches.model_validate(_NOTHING | _STAGES | {"hcf": True, "gating": True}),
        "final_lora": FusionSwitches.model_validate(
            _NOTHING | _STAGES | {"hcf": True, "gating": True, "final_lora_rank": 8}
        ),
    }
)
"""``s_cmt`` is section IV.C; the others are the rows of Table II, each with what came before."""
