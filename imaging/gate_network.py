"""The input gate's small network: what kind of picture this is, and how it lies.

A plain convolutional network on 64 × 64 pixels with one head per question. Its weights and
thresholds are the files `gate.safetensors` and `gate.json` beside it in `imaging/data`; how they
were made says `imaging.gate_training`.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from findings.claims import Frozen
from findings.errors import WeightsError
from imaging.study import FloatImage

SIDE = 64
"""Input width and height in pixels."""
DATA_FOLDER = Path(__file__).with_name("data")
_WIDTHS = (24, 48, 72)


class PictureKind(StrEnum):
    """What a picture shows."""

    FRONTAL = "frontal_chest"
    LATERAL = "lateral_chest"
    SLICE = "ct_or_mr"
    OTHER_BODY = "other_body_part"
    NOT_MEDICAL = "not_medical"


KINDS = tuple(PictureKind)
QUESTIONS = ("mirrored", "inverted", "paediatric", "cropped", "antero_posterior")
"""The yes-or-no heads, in the order of their outputs."""


class GateReading(Frozen):
    """The network's answers for one picture, as probabilities."""

    kind: dict[PictureKind, float]
    turns: tuple[float, float, float, float]
    """That the picture was turned 0, 1, 2 or 3 × 90° counter-clockwise from upright."""
    mirrored: float
    inverted: float
    paediatric: float
    cropped: float
    antero_posterior: float


class GateThresholds(Frozen):
    """The probabilities from which on an answer counts, set on training patients kept aside."""

    frontal: float
    """Below it the picture is no frontal chest radiograph."""
    frontal_doubt: float
    """Below it a warning is due."""
    turned: float
    mirrored: float
    mirrored_doubt: float
    inverted: float
    paediatric: float
    cropped: float
    antero_posterior: tuple[float, float]
    """At or below the first: PA; at or above the second: AP; between: not said."""


class GateCard(Frozen):
    """What is known of the weights: shipped beside them as JSON."""

    version: str
    sha256: str
    side: int = Field(default=SIDE)
    thresholds: GateThresholds
    command: str
    training_images: dict[str, int]


class GateNetwork(nn.Module):
    """Four convolutions, three of them strided, then one hidden layer and the heads."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.trunk = nn.Sequential(
            _convolution(1, first, 7, stride=4),
            _convolution(first, second, 3, stride=2),
            _convolution(second, third, 3, stride=2),
            _convolution(third, third, 3, stride=1),
        )
        # Where things lie decides on turning, mirroring and cropping: no pooling over positions.
        places = (SIDE // 16) ** 2
        self.squeeze = nn.Sequential(nn.Conv2d(third, 40, 1, bias=False), nn.BatchNorm2d(40))
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.ReLU(), nn.Dropout(0.3), nn.Linear(40 * places, 96), nn.ReLU()
        )
        self.kind = nn.Linear(96, len(KINDS))
        self.turns = nn.Linear(96, 4)
        self.questions = nn.Linear(96, len(QUESTIONS))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of kind, turns and questions for images N×1×64×64 as `prepare` gives them."""
        features = self.hidden(self.squeeze(self.trunk(images)))
        return self.kind(features), self.turns(features), self.questions(features)


def _convolution(before: int, after: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, width, stride=stride, padding=width // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def prepare(display: FloatImage) -> torch.Tensor:
    """The network's input 1×64×64: squeezed to a square, contrast stretched."""
    import PIL.Image

    picture = PIL.Image.fromarray(np.ascontiguousarray(display, dtype=np.float32))
    small = picture.resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
    return standardise(torch.from_numpy(np.array(small, dtype=np.float32))[None])


def standardise(images: torch.Tensor) -> torch.Tensor:
    """Stretch each image …×H×W between its 0.5 and 99.5 percentiles to about [-2, 2]."""
    flat = images.flatten(-2)
    count = flat.shape[-1]
    ordered = flat.sort(dim=-1).values
    low = ordered[..., int(0.005 * (count - 1))][..., None, None]
    high = ordered[..., int(0.995 * (count - 1))][..., None, None]
    return (((images - low) / (high - low).clamp_min(1e-3)).clamp(0, 1) - 0.5) * 4


class GateModel:
    """The trained network with its thresholds."""

    def __init__(self, network: GateNetwork, card: GateCard) -> None:
        self._network = network.eval()
        self.card = card

    @classmethod
    def load(cls, folder: Path = DATA_FOLDER) -> GateModel:
        """Read card and weights.

        Raises:
            WeightsError: one of them is absent, damaged or does not fit the network.
        """
        try:
            card = GateCard.model_validate_json((folder / "gate.json").read_text("utf-8"))
            weights = (folder / "gate.safetensors").read_bytes()
            if hashlib.sha256(weights).hexdigest() != card.sha256:
                raise WeightsError(
                    "The weights of the input gate do not match their checksum; "
                    "install the application again."
                )
            network = GateNetwork()
            network.load_state_dict(
                {name: tensor.float() for name, tensor in load_tensors(weights).items()}
            )
        except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
            raise WeightsError(
                "The weights of the input gate are absent or damaged; install the application "
                "again."
            ) from error
        return cls(network, card)

    def read(self, display: FloatImage) -> GateReading:
        """The network's answers for one display picture H×W in [0, 1]."""
        return self.read_batch(prepare(display)[None])[0]

    @torch.inference_mode()
    def read_batch(self, images: torch.Tensor) -> list[GateReading]:
        """The network's answers for prepared images N×1×64×64."""
        kinds, turns, questions = self._network(images)
        return [
            GateReading(
                kind=dict(zip(KINDS, kind, strict=True)),
                turns=(turn[0], turn[1], turn[2], turn[3]),
                **dict(zip(QUESTIONS, answers, strict=True)),
            )
            for kind, turn, answers in zip(
                kinds.softmax(1).tolist(),
                turns.softmax(1).tolist(),
                questions.sigmoid().tolist(),
                strict=True,
            )
        ]


@cache
def shared_model(folder: Path | None = None) -> GateModel:
    """The network in `folder`, else the shipped one, loaded once.

    Raises:
        WeightsError: as `GateModel.load`.
    """
    return GateModel.load(folder or DATA_FOLDER)
