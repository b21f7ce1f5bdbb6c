"""Image trunks by name: the shared EfficientNet-lite0 and the published full-size ones.

Each is timm's, without its classifying head, and gives a map at stride 32. Weights are the user's
to name: a model of the Hugging Face hub that was pulled, a folder, or a file.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import timm
import torch
from torch import Tensor, nn

from findings.errors import WeightsError
from models.blocks import TRUNK_NAME, normalise
from models.shipping import file_sha256

_LARGEST: Final = 2 << 30
_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)


class Backbone(StrEnum):
    """Trunks that can be asked for."""

    EFFICIENTNET_LITE0 = "efficientnet_lite0"
    """The experts' shared trunk (Tan and Le, ICML 2019)."""
    SERESNET50 = "seresnet50"
    """Squeeze-and-excitation ResNet (Hu et al., CVPR 2018), as CliniQure classifies with."""
    DENSENET121 = "densenet121"
    """Huang et al., CVPR 2017; CheXNet's trunk (Rajpurkar et al., 2017)."""


@dataclass(frozen=True, slots=True)
class BackboneCard:
    """What must be known of a trunk: timm's name for it, its channels, where weights are."""

    timm_name: str
    features: int
    hub: str
    """ImageNet weights on the Hugging Face hub; Apache-2.0 all."""


CARDS: Final[Mapping[Backbone, BackboneCard]] = MappingProxyType(
    {
        Backbone.EFFICIENTNET_LITE0: BackboneCard(
            TRUNK_NAME, 1280, "hf:timm/tf_efficientnet_lite0.in1k"
        ),
        Backbone.SERESNET50: BackboneCard("seresnet50", 2048, "hf:timm/seresnet50.a1_in1k"),
        Backbone.DENSENET121: BackboneCard("densenet121", 1024, "hf:timm/densenet121.ra_in1k"),
    }
)


def build_backbone(name: Backbone | str) -> nn.Module:
    """The trunk with random weights; has ``forward_features`` and ``num_features``.

    Raises:
        ValueError: there is no trunk of that name.
    """
    trunk: nn.Module = timm.create_model(
        CARDS[Backbone(name)].timm_name, pretrained=False, num_classes=0
    )
    return trunk


def backbone_features(name: Backbone | str, trunk: Any, images: Tensor) -> Tensor:
    """The trunk's map ``(batch, channels, height / 32, width / 32)``.

    ``images`` is ``(batch, 1, height, width)`` in [0, 1], and is scaled as the trunk's ImageNet
    weights expect it.
    """
    if Backbone(name) is Backbone.EFFICIENTNET_LITE0:
        scaled = normalise(images)
    else:
        mean = torch.tensor(_IMAGENET_MEAN, device=images.device).view(1, 3, 1, 1)
        deviation = torch.tensor(_IMAGENET_DEVIATION, device=images.device).view(1, 3, 1, 1)
        scaled = (images.expand(-1, 3, -1, -1) - mean) / deviation
    features: Tensor = trunk.forward_features(scaled)
    return features


def backbone_stages(name: Backbone | str, trunk: Any) -> list[list[nn.Module]]:
    """The trunk's layers from the input on, stage by stage; the stem is the first stage."""
    match Backbone(name):
        case Backbone.EFFICIENTNET_LITE0:
            return [[trunk.conv_stem, trunk.bn1], *([block] for block in trunk.blocks)]
        case Backbone.SERESNET50:
            stem = [trunk.conv1, trunk.bn1]
            return [stem, [trunk.layer1], [trunk.layer2], [trunk.layer3], [trunk.layer4]]
        case Backbone.DENSENET121:
            parts = trunk.features
            return [
                [parts.conv0, parts.norm0],
                [parts.denseblock1, parts.transition1],
                [parts.denseblock2, parts.transition2],
                [parts.denseblock3, parts.transition3],
                [parts.denseblock4, parts.norm5],
            ]


def load_backbone(
    name: Backbone | str, source: str, cache: Path, sha256: str | None = None
) -> nn.Module:
    """The trunk with the weights that ``source`` names; a classifying head in them is left out.

    ``source`` is ``hf:ORG/NAME`` of a model that ``readingroom models pull`` brought into
    ``cache``, a folder that holds ``model.safetensors``, or a safetensors file, as a path or a
    ``file:`` address. ``sha256`` is the file's, where the user knows it.

    Raises:
        WeightsError: the file is not here, has another checksum, or is of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = Backbone(name)
    path = _weights_file(name, source, cache)
    if path.stat().st_size > _LARGEST:
        raise WeightsError(f"the weights given for {name} are far too large, so they are not read")
    if sha256 is not None and file_sha256(path) != sha256.lower():
        raise WeightsError(
            f"the weights given for {name} do not have the checksum that was stated: fetch them "
            "again, or correct the checksum"
        )
    trunk = build_backbone(name)
    try:
        given = load_file(path)
        trunk.load_state_dict({key: given[key].float() for key in trunk.state_dict()})
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        raise WeightsError(
            f"the weights given for {name} are not a safetensors file of timm's "
            f"{CARDS[name].timm_name}: take them from {CARDS[name].hub}"
        ) from error
    return trunk


def _weights_file(name: Backbone, source: str, cache: Path) -> Path:
    if source.startswith("hf:"):
        from models.published.hub import HubModel

        folder = HubModel.named(source, cache).located()
        return next(iter(sorted(folder.glob("*.safetensors"))))
    parts = urllib.parse.urlsplit(source)
    path = Path(urllib.request.url2pathname(parts.path) if parts.scheme == "file" else source)
    path = path.expanduser()
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise WeightsError(
            f"the weights given for {name} are not here: run 'readingroom models pull "
            f"{CARDS[name].hub}', or download model.safetensors elsewhere and name its folder"
        )
    return path
