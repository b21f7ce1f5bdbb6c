"""Names of the published ImageNet weights."""

from __future__ import annotations

import pytest

from findings.errors import WeightsError
from models.backbones import build_backbone
from models.blocks import pyramid_trunk
from models.imagenet import initialise_trunk, timm_name


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.15._bn2.running_var", "blocks.6.0.bn3.running_var"),
        ("_fc.bias", "classifier.bias"),
    ],
)
def test_names_are_translated(published: str, ours: str) -> None:
    assert timm_name(published) == ours


@pytest.mark.parametrize("name", ["_blocks.16._bn0.weight", "_blocks.0._expand_conv.weight", "x"])
def test_foreign_names_are_refused(name: str) -> None:
    with pytest.raises(WeightsError):
        timm_name(name)


def test_the_trunks_accept_their_own_weights_and_no_fewer() -> None:
    weights = dict(build_backbone("efficientnet_lite0").state_dict())
    initialise_trunk(pyramid_trunk(), weights)
    weights.pop("blocks.2.0.conv_dw.weight")
    with pytest.raises(WeightsError, match="do not fit"):
        initialise_trunk(pyramid_trunk(), weights)
