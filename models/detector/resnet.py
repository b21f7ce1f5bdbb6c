"""ImageNet weights of the ResNet-50 that CliniQure's detector starts from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from findings.errors import WeightsError

FILE: Final = "resnet50-0676ba61.pth"
"""torchvision's IMAGENET1K_V1; the name ends in the first digits of the file's SHA-256."""
URL: Final = f"https://download.pytorch.org/models/{FILE}"

_DIGITS: Final = FILE.removesuffix(".pth").rsplit("-", 1)[1]


def read_resnet50(cache: Path) -> dict[str, Tensor]:
    """The tensors of ``cache/resnet50-0676ba61.pth``, fetched from torchvision where absent.

    Raises:
        WeightsError: it is absent and cannot be fetched, or it is not the published file.
    """
    path = cache / FILE
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(URL, str(path), hash_prefix=_DIGITS, progress=False)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"the ImageNet weights of the ResNet-50 could not be fetched: put {URL} into the "
                "folder of pulled weights, or choose another start with initial = 'random'"
            ) from error
    with path.open("rb") as file:
        if not hashlib.file_digest(file, "sha256").hexdigest().startswith(_DIGITS):
            raise WeightsError(
                f"{FILE} is not the file that torchvision publishes: delete it and fetch {URL}"
            )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
