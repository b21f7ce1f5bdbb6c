"""A network of which only a part is trained, kept and exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class PartlyTrained(nn.Module):
    """Holds pre-trained parts that never change beside parts that are trained.

    Its state is that of the trained parts alone, so that checkpoints stay small and a frozen
    billion of parameters is neither copied nor averaged. Frozen parts stay in evaluation mode
    while the rest trains, so that normalisation statistics do not move and no dropout acts there.
    """

    keep: tuple[str, ...] = ()
    """Pieces of names of frozen parameters that belong to the state all the same."""

    def trained_names(self) -> frozenset[str]:
        """Names of the trained and kept parameters, and of the buffers that lie beside one."""
        names = {
            name
            for name, value in self.named_parameters()
            if value.requires_grad or any(piece in name for piece in self.keep)
        }
        homes = {name.rpartition(".")[0] for name in names}
        beside = {name for name, _ in self.named_buffers() if name.rpartition(".")[0] in homes}
        return frozenset(names | beside)

    def train(self, mode: bool = True) -> PartlyTrained:
        """Set the mode of what is trained; all else stays in evaluation mode."""
        super().train(mode)
        if mode:
            for module in self.modules():
                parameters = list(module.parameters())
                if parameters and not any(value.requires_grad for value in parameters):
                    module.eval()
        return self

    def state_dict(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """The trained parts by name."""
        whole: dict[str, Any] = super().state_dict(*args, **kwargs)
        prefix = str(kwargs.get("prefix", ""))
        kept = {prefix + name for name in self.trained_names()}
        return {name: value for name, value in whole.items() if name in kept}

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take the trained parts; raises `RuntimeError` where they are not exactly these."""
        kept = self.trained_names()
        if strict and set(state_dict) != kept:
            missing, foreign = len(kept - set(state_dict)), len(set(state_dict) - kept)
            raise RuntimeError(f"{missing} trained parameters are missing, {foreign} are foreign")
        return super().load_state_dict(state_dict, strict=False, assign=assign)
