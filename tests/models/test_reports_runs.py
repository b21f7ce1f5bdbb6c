"""Whole runs of the report models on a tiny data folder: train, load, write, refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from findings.errors import SettingsError, WeightsError
from findings.vocabulary import Language
from models.data.finding_sources import NIH_COLUMNS
from models.reports.contract import Decoding, ReportModelName
from models.reports.registry import REPORT_MODELS
from models.training.run import train

FILMS = 6
pytestmark = pytest.mark.usefixtures("experts_look_once")


@pytest.fixture(scope="module")
def tiny_data(
    chest_film: Callable[[int, int], NDArray[np.float32]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Six made-up films with NIH's labels, four of them to train on."""
    data = tmp_path_factory.mktemp("data")
    (data / "nih" / "images").mkdir(parents=True)
    columns = list(NIH_COLUMNS.values())
    with (data / "nih" / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "patient", "split", "view", "age", "sex", "note", *columns])
        for number in range(FILMS):
            film = (chest_film(64, 64 + number) * 255).astype(np.uint8)
            Image.fromarray(film).save(data / "nih" / "images" / f"film{number}.jpg")
            labels = [int(place == number % 3) for place in range(len(columns))]
            split = "train" if number < 4 else "val"
            name = f"film{number}"
            table.writerow([name, f"p{number}", split, "PA", "50", "F", "", *labels])
    return data


def preset(folder: Path, model: str, language: Path, vision: str) -> str:
    """The small preset of a model over a tiny language model, for four steps."""
    text = Path(f"models/presets/report-{model}-small.toml").read_text(encoding="utf-8")
    lines = {
        "steps": "4",
        "pairs": "12",
        "batch_size": "2",
        "warmup_steps": "1",
        "validate_every": "2",
        "threads": "1",
        "language_dtype": '"float32"',
        "most_tokens": "12",
        "crossings": "1",
        "folders": '["nih"]',
        "vision": json.dumps(vision),
    }
    written = []
    for line in text.splitlines():
        name = line.partition(" =")[0]
        if name == "language":
            value = '"es"' if '"en"' in line else json.dumps(str(language))
            line = f"language = {value}"
        elif name in lines:
            line = f"{name} = {lines[name]}"
        written.append(line)
    path = folder / f"{model}.toml"
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return str(path)


def run(
    model: str,
    out: Path,
    data: Path,
    language: Path,
    row: str = "",
    more: str = "",
    vision: str = "embedded",
) -> Path:
    """Train in ``out``; gives the deployable folder. ``more`` is added to the preset."""
    named = Path(preset(out, model, language, vision))
    named.write_text(named.read_text(encoding="utf-8") + more, encoding="utf-8")
    return train("report", str(named), data, out / "run", cache=out / "cache", row=row)


ALL_PLANNED = """
[switches]
finer = true
visual_lora = true
retrieved = 1
preference = true
"""


@pytest.mark.parametrize(
    ("model", "row", "more"),
    [("radixpert_fusion", "final_lora", ""), ("radixpert_anatomy", "", ALL_PLANNED)],
)
def test_a_run_leaves_a_model_that_writes(
    model: str,
    row: str,
    more: str,
    tiny_data: Path,
    tiny_language_folder: Path,
    hub_classifier_folder: Callable[[Path], Path],
    chest_film: Callable[[int, int], NDArray[np.float32]],
    tmp_path: Path,
) -> None:
    vision = str(hub_classifier_folder(tmp_path / "vit")) if more else "embedded"
    weights = run(model, tmp_path, tiny_data, tiny_language_folder, row, more, vision)
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["history"][-1]["step"] == 4
    entry = REPORT_MODELS[ReportModelName(model)]
    writer = entry.load(weights, tmp_path / "cache")
    assert writer.name == model and writer.language is Language.SPANISH
    films = [chest_film(64, 64), chest_film(80, 64)]
    reports = writer.write(films)
    assert len(reports) == 2 and reports == writer.write(films)
    drawn = Decoding(sample=True, most_tokens=6)
    assert writer.write(films, seed=3, decoding=drawn) == writer.write(films, 3, drawn)
    assert writer.write([]) == ()


def test_another_language_model_is_refused(
    tiny_data: Path,
    tiny_language_folder: Path,
    tiny_language_model: Callable[..., Any],
    tmp_path: Path,
) -> None:
    language = tmp_path / "language"
    for seed in (0, 1):
        model, tokenizer = tiny_language_model(seed)
        model.save_pretrained(language)
        tokenizer.save_pretrained(language)
        if seed == 0:
            weights = run("radixpert_anatomy", tmp_path, tiny_data, language, "base")
    entry = REPORT_MODELS[ReportModelName.RADIXPERT_ANATOMY]
    with pytest.raises(WeightsError, match="over another language model"):
        entry.load(weights, tmp_path / "cache")


def test_a_row_that_is_not_in_the_table_is_refused(
    tiny_data: Path, tiny_language_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no row 'everything': use one of s_cmt, base"):
        run("radixpert_fusion", tmp_path, tiny_data, tiny_language_folder, "everything")
    assert REPORT_MODELS[ReportModelName.RADIXPERT_ANATOMY].rows()[:3] == (
        "anatomy",
        "base",
        "lora",
    )
