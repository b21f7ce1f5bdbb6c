"""A detector small enough to train in a test."""

from __future__ import annotations

from typing import Final

from models.detector.network import NetworkSettings

SIZE: Final = 96
TINY: Final = NetworkSettings(
    trunk="efficientnet_lite0",
    size=SIZE,
    anchor_sizes=((12,), (24,), (32,), (48,)),
    anchor_ratios=(1.0,),
    pyramid_channels=16,
    hidden=32,
    canonical_scale=24,
    rpn_overlaps=(0.3, 0.5),
    proposals=40,
    training_proposals=16,
)
