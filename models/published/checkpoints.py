"""Torch checkpoints of other people become safetensors; nothing of theirs runs on the way."""

from __future__ import annotations

from pathlib import Path

from findings.errors import WeightsError


def state_dict_to_safetensors(checkpoint: Path, target: Path) -> None:
    """Rewrite a torch state dict as safetensors; the unpickler admits tensors and nothing else.

    Raises `WeightsError` where the file is anything but a flat table of tensors.
    """
    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            "A weights file holds something other than tensors, so it is not used. Convert it at "
            "its source: safetensors.torch.save_file(network.state_dict(), 'model.safetensors')."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError("A weights file is not a flat table of tensors, so it is not used.")
    save_file({str(key): value.contiguous() for key, value in state.items()}, target)


def module_to_safetensors(checkpoint: Path, target: Path) -> None:
    """Rewrite a pickled torch module, or a state dict, as safetensors.

    Raises `WeightsError` where the file is neither.
    """
    from safetensors.torch import save_file

    from models.published.pickled_module import read_tensors

    try:
        state_dict_to_safetensors(checkpoint, target)
    except WeightsError:
        save_file(read_tensors(checkpoint), target)
