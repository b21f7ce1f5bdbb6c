"""The whole training run of the classifier, on folders of a few made films."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.backbones import build_backbone
from models.classifier.inference import FindingClassifier
from models.data.finding_sources import NIH_COLUMNS
from models.training.run import train

PRESET = """
role = "classifier"
[loop]
steps = 2
batch_size = 4
learning_rate = 1e-3
trunk_learning_rate = 1e-3
weight_decay = 0.0
warmup_steps = 0
clip_norm = 1.0
ema_decay = 0.5
validate_every = 2
patience = 1
threads = 1
[classifier]
backbone_weights = "{weights}"
cache_size = 64
dropout = 0.0
frozen_blocks = 2
smoothing = 0.1
mixup = 0.0
box_margin = 0.0
[[classifier.members]]
size = 64
whole_image_share = 1.0
"""


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("preset")
    save_file(build_backbone("efficientnet_lite0").state_dict(), folder / "model.safetensors")
    path = folder / "classifier-tiny.toml"
    path.write_text(PRESET.format(weights=folder))
    return str(path)


def film(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(pixels).save(path)


def table(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def shared_layout(data: Path, tuberculosis: bool) -> None:
    rows: list[dict[str, object]] = []
    for number in range(12):
        split = "train" if number < 6 else "val"
        labels = dict.fromkeys(NIH_COLUMNS.values(), number % 2)
        rows.append({"image": f"n{number}", "patient": f"{number}", "split": split, **labels})
        film(data / "nih" / "images" / f"n{number}.jpg", number)
    table(data / "nih" / "labels.csv", rows)
    if not tuberculosis:
        return
    rows = []
    for source in ("montgomery", "shenzhen"):
        for number in range(16):
            name, ill = f"{source}{number}", number % 2
            split = "train" if number < 12 else "val"
            counts = dict.fromkeys(
                (
                    "n_pleural_effusion",
                    "n_single_nodule_non_calcified",
                    "n_calcified_nodule",
                    "n_apical_thickening",
                    "n_pleural_thickening_non_apical",
                ),
                "",
            )
            own = {"image": name, "source": source, "split": split, "tb": ill, "reading": ""}
            rows.append({**own, **counts})
            film(data / "tb" / "images" / f"{name}.jpg", number)
    table(data / "tb" / "labels.csv", rows)


@pytest.mark.parametrize("tuberculosis", [True, False])
def test_a_run_ends_in_a_folder_that_judges(
    preset: str, tmp_path: Path, tuberculosis: bool
) -> None:
    shared_layout(tmp_path / "data", tuberculosis)
    weights = train("classifier", preset, tmp_path / "data", tmp_path / "out")
    judged = FindingClassifier.load(weights).classify(np.random.rand(80, 90).astype(np.float32))
    named = {Finding(name) for name in NIH_COLUMNS}
    assert set(judged.probability) == named | ({Finding.TUBERCULOSIS} if tuberculosis else set())
    assert judged.conformal[Finding.EDEMA].coverage == 0.9


def test_a_public_data_set_may_be_trained_on(preset: str, tmp_path: Path) -> None:
    data = tmp_path / "chest"
    rows: list[dict[str, object]] = []
    for number in range(40):
        name = f"{number:08d}_000.png"
        film(data / "images" / name, number)
        labels = "Effusion|Mass" if number % 2 else "No Finding"
        rows.append(
            {
                "Image Index": name,
                "Finding Labels": labels,
                "Follow-up #": 0,
                "Patient ID": number,
                "Patient Age": 50,
                "Patient Sex": "M",
                "View Position": "PA",
            }
        )
    table(data / "Data_Entry_2017.csv", rows)
    with pytest.raises(StudyError, match="no image with or none"):
        # Twelve of the fourteen findings occur nowhere in this folder.
        train("classifier", preset, data, tmp_path / "out")


def test_an_empty_folder_is_refused(preset: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(Exception, match="folder"):
        train("classifier", preset, tmp_path / "data", tmp_path / "out")
