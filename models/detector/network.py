"""Faster R-CNN, put together from torchvision's parts on either of two trunks.

``resnet50`` is CliniQure's (section 4.2.1, table 4): the last map of a ResNet-50, 2,048 channels
at stride 32, under anchors of five sizes and three ratios and ROI Align 7 x 7.
``efficientnet_lite0`` is the trunk that the project's other networks share, under a feature pyramid
at strides 8 to 64.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from models.blocks import early_layers, pyramid_trunk
from models.detector.context import ContextHead
from models.detector.heads import IndependentFindingHeads
from models.detector.proposals import CautiousProposalNetwork
from models.detector.targets import MatchingRules

_LITE0_CHANNELS = (40, 112, 320)
_RESNET_CHANNELS = 2048
_RARE = -4.0
"""Initial logit of every finding: training starts from "nothing is here"."""


class NetworkSettings(BaseModel):
    """What the network is made of; kept in the shipped configuration as in the preset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trunk: Literal["efficientnet_lite0", "resnet50"]
    size: int = Field(gt=0, multiple_of=32, description="side of the square input")
    anchor_sizes: tuple[tuple[int, ...], ...] = Field(
        min_length=1, description="one row for each feature map, in pixels of the input"
    )
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    pyramid_channels: int = Field(default=0, ge=0, description="0: no pyramid, the last map alone")
    hidden: int = Field(default=1024, gt=0, description="width of the second stage")
    context: bool = Field(
        default=False, description="the second stage is told each proposal's place and the image"
    )
    pooled: int = Field(default=7, gt=0, description="side of ROI Align's output")
    canonical_scale: int = Field(
        default=224, gt=0, description="side of a box that is pooled from the map at stride 16"
    )
    exhaustive: bool = Field(
        default=False,
        description="every finding is drawn in every image: softmax with a background class",
    )
    rpn_overlaps: tuple[float, float] = (0.3, 0.7)
    proposals: int = Field(default=300, gt=0, description="for each image at inference")
    training_proposals: int = Field(default=128, gt=0, description="judged in a training step")
    nms_overlap: float = Field(default=0.3, gt=0, lt=1)
    detections: int = Field(default=100, gt=0)
    score_floor: float = Field(default=0.01, ge=0, lt=1)
    mirrored: bool = Field(
        default=False, description="boxes are merged with those of the mirror image"
    )

    @model_validator(mode="after")
    def _one_row_of_anchors_for_each_map(self) -> NetworkSettings:
        maps = 1 + len(_LITE0_CHANNELS) if self.pyramid_channels else 1
        if len(self.anchor_sizes) != maps or len({len(row) for row in self.anchor_sizes}) != 1:
            raise ValueError(f"anchor_sizes needs {maps} rows of one length")
        if (self.trunk == "resnet50") == bool(self.pyramid_channels):
            raise ValueError("the ResNet-50 is used without a pyramid, the EfficientNet with one")
        if self.context and self.exhaustive:
            raise ValueError("context is for findings that are judged one by one")
        return self


class PyramidBackbone(nn.Module):
    """EfficientNet-lite0's maps at strides 8, 16, 32 and a pooled one at 64, of one width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.trunk = pyramid_trunk()
        self.pyramid = FeaturePyramidNetwork(
            list(_LITE0_CHANNELS), channels, extra_blocks=LastLevelMaxPool()
        )
        self.out_channels = channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """``(batch, 3, size, size)`` -> maps "0", "1", "2" and "pool"."""
        maps = self.trunk(images)[-len(_LITE0_CHANNELS) :]
        found: OrderedDict[str, Tensor] = self.pyramid(
            OrderedDict((str(number), own) for number, own in enumerate(maps))
        )
        return found


class LastMapBackbone(nn.Module):
    """ResNet-50 up to its last map, batch normalisation frozen (batches are small)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
        del self.trunk.fc
        self.out_channels = _RESNET_CHANNELS

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """``(batch, 3, size, size)`` -> the map "0" at stride 32."""
        trunk = self.trunk
        early = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(images))))
        last = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(early))))
        return OrderedDict([("0", last)])


class DetectorNetwork(GeneralizedRCNN):  # type: ignore[misc]
    """Images in [0, 1], each ``(3, size, size)`` -> boxes with labels (from 1) and scores.

    With targets, in training: a dictionary of losses. Batch normalisation keeps the trunk's
    statistics, since a detector's batches are small; ``frozen_blocks`` of an EfficientNet do not
    learn at all.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        findings: int,
        rules: MatchingRules | None = None,
        instance_weight: float = 0.0,
        frozen_blocks: int = 0,
    ) -> None:
        backbone: PyramidBackbone | LastMapBackbone
        if settings.trunk == "resnet50":
            backbone = LastMapBackbone()
            pooled_maps = ["0"]
            mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        else:
            backbone = PyramidBackbone(settings.pyramid_channels)
            pooled_maps = ["0", "1", "2"]
            mean, deviation = [127 / 255] * 3, [128 / 255] * 3
        anchors = AnchorGenerator(
            settings.anchor_sizes, (settings.anchor_ratios,) * len(settings.anchor_sizes)
        )
        proposals = {"training": 4 * settings.training_proposals, "testing": settings.proposals}
        low, high = settings.rpn_overlaps
        rpn = CautiousProposalNetwork(
            anchors,
            RPNHead(backbone.out_channels, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=high,
            bg_iou_thresh=low,
            batch_size_per_image=128,
            positive_fraction=0.5,
            pre_nms_top_n={name: 2 * count for name, count in proposals.items()},
            post_nms_top_n=proposals,
            nms_thresh=0.7,
        )
        kind = RoIHeads if settings.exhaustive else IndependentFindingHeads
        outputs = findings + 1 if settings.exhaustive else findings
        heads = kind(
            MultiScaleRoIAlign(
                pooled_maps, settings.pooled, 2, canonical_scale=settings.canonical_scale
            ),
            _hidden_layers(settings, backbone.out_channels),
            FastRCNNPredictor(settings.hidden, outputs),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=settings.training_proposals,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=settings.score_floor,
            nms_thresh=settings.nms_overlap,
            detections_per_img=settings.detections,
        )
        if isinstance(heads, IndependentFindingHeads):
            heads.rules = rules or MatchingRules()
            heads.instance_weight = instance_weight
            nn.init.constant_(heads.box_predictor.cls_score.bias, _RARE)
        transform = GeneralizedRCNNTransform(
            settings.size, settings.size, mean, deviation, size_divisible=32
        )
        super().__init__(backbone, rpn, heads, transform)
        self.settings = settings
        self._frozen_blocks = frozen_blocks
        if settings.trunk == "efficientnet_lite0":
            for module in early_layers(backbone.trunk, frozen_blocks):
                module.requires_grad_(False)

    @property
    def trunk(self) -> nn.Module:
        """The pre-trained part."""
        trunk: nn.Module = self.backbone.trunk
        return trunk

    def train(self, mode: bool = True) -> DetectorNetwork:
        """Switch to training, but for the trunk's normalisation, whose statistics stay."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _hidden_layers(settings: NetworkSettings, channels: int) -> nn.Module:
    if settings.context:
        return ContextHead(channels, settings.pooled, settings.hidden)
    layers: nn.Module = TwoMLPHead(channels * settings.pooled**2, settings.hidden)
    return layers
