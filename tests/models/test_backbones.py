"""Trunks by name: published sizes, the form of their maps, weights from where the user says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms.functional import normalize

from findings.errors import WeightsError
from models.backbones import (
    CARDS,
    Backbone,
    backbone_features,
    backbone_stages,
    build_backbone,
    load_backbone,
)
from models.blocks import TRUNK_NAME, early_layers, normalise
from models.shipping import file_sha256
from models.training.catalogue import PRESETS
from models.training.presets import LoopSettings


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "millions"),
    [("seresnet50", 28.09), ("densenet121", 7.98), ("efficientnet_lite0", 4.65)],
)
def test_a_trunk_has_the_published_size(name: str, millions: float) -> None:
    card = CARDS[Backbone(name)]
    with torch.device("meta"):
        whole = timm.create_model(card.timm_name, num_classes=1000)
        trunk = build_backbone(name)
    assert round(count(whole) / 1e6, 2) == millions
    assert count(whole) - count(trunk) == 1000 * (card.features + 1)


@pytest.mark.parametrize("name", list(Backbone))
def test_a_trunk_gives_its_channels_at_stride_32(name: Backbone) -> None:
    with torch.device("meta"):
        trunk = build_backbone(name)
        shape = backbone_features(name, trunk, torch.zeros(2, 1, 96, 64)).shape
    assert shape == (2, CARDS[name].features, 3, 2)
    assert trunk.num_features == CARDS[name].features


@pytest.mark.parametrize("name", list(Backbone))
def test_images_are_scaled_as_the_weights_expect(name: Backbone) -> None:
    class Echo:
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return images

    images = torch.rand(2, 1, 4, 4)
    config = timm.get_pretrained_cfg(CARDS[name].timm_name)
    assert config is not None
    expected = normalize(images.expand(-1, 3, -1, -1), list(config.mean), list(config.std))
    if name is Backbone.EFFICIENTNET_LITE0:
        expected = normalise(images)  # the weights of TensorFlow's publishers, not timm's
    torch.testing.assert_close(backbone_features(name, Echo(), images), expected)


@pytest.mark.parametrize("name", list(Backbone))
def test_the_stages_hold_every_layer_up_to_the_head(name: Backbone) -> None:
    with torch.device("meta"):
        trunk = build_backbone(name)
    stages = backbone_stages(name, trunk)
    held = sum(count(module) for stage in stages for module in stage)
    # Only lite0's last convolution comes after its stages.
    after = 320 * 1280 + 2 * 1280 if name is Backbone.EFFICIENTNET_LITE0 else 0
    assert held == count(trunk) - after


def test_the_shared_trunk_is_the_experts_own() -> None:
    with torch.device("meta"):
        trunk = build_backbone("efficientnet_lite0")
        own = timm.create_model(TRUNK_NAME, num_classes=0)
    assert list(trunk.state_dict()) == list(own.state_dict())
    stages = backbone_stages("efficientnet_lite0", trunk)
    assert [module for stage in stages[:3] for module in stage] == early_layers(trunk, 2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the hub publishes one: the whole network, its head too."""
    folder = tmp_path_factory.mktemp("weights")
    network = timm.create_model("tf_efficientnet_lite0", num_classes=10)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def test_weights_come_from_a_folder_a_file_or_an_address(weights: Path, tmp_path: Path) -> None:
    file = weights / "model.safetensors"
    known = file_sha256(file)
    sources = [str(weights), str(file), file.as_uri(), f"hf:{weights}"]
    trunks = [load_backbone("efficientnet_lite0", s, tmp_path, known) for s in sources]
    first = trunks[0].state_dict()
    for trunk in trunks[1:]:
        assert all(torch.equal(value, first[key]) for key, value in trunk.state_dict().items())


def test_weights_that_are_not_what_they_should_be_are_refused(
    weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="checksum"):
        load_backbone("efficientnet_lite0", str(weights), tmp_path, "0" * 64)
    with pytest.raises(WeightsError, match="timm's densenet121"):
        load_backbone("densenet121", str(weights), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_backbone("efficientnet_lite0", str(tmp_path), tmp_path)


@pytest.mark.parametrize("source", ["hf:timm/seresnet50.a1_in1k", "absent"])
def test_weights_that_are_not_here_are_told_how_to_get(source: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"models pull hf:timm/seresnet50\.a1_in1k"):
        load_backbone("seresnet50", source, tmp_path)


@pytest.mark.parametrize("name", ["cliniqure", "densenet121"])
def test_the_full_size_presets_name_a_trunk_and_its_weights(name: str) -> None:
    preset = tomllib.loads((PRESETS / f"classifier-{name}.toml").read_text())
    trunk = Backbone(preset["classifier"]["backbone"])
    assert preset["classifier"]["backbone_weights"] == CARDS[trunk].hub
    assert LoopSettings.model_validate(preset["loop"]).optimiser == "adam"
