"""A whole training run of CLALA-Net on four synthetic films: both stages, resumed, and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from findings.claims import Claim
from findings.vocabulary import Finding, Side
from models.clala.config import ClalaConfig
from models.clala.inference import load_clala
from models.clala.training import FIRST_STAGE, train_clala
from models.clues.encoder_folder import text_encoder_sha256
from models.crude_report.composing import ReportComposer
from models.data.records import Split
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.preprocessing import read_display
from models.reports.cases import CaseSet, ReportCase
from models.reports.wording import EnglishWording
from models.shipping import WEIGHTS, read_config
from models.training.request import TrainingRequest

pytestmark = pytest.mark.usefixtures("experts_look_once")
SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples"
FILMS = {
    "normal": (),
    "cardiomegaly": (Claim(finding=Finding.CARDIOMEGALY),),
    "effusion": (Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT),),
    "nodule": (Claim(finding=Finding.NODULE, side=Side.RIGHT),),
}
TINY = """
role = "report"
model = "clala"
[loop]
steps = 2
batch_size = 2
learning_rate = 1e-3
trunk_learning_rate = 1e-3
weight_decay = 0.0
warmup_steps = 1
clip_norm = 1.0
ema_decay = 0.5
validate_every = 2
patience = 3
threads = 1
[decoding]
most_tokens = 8
[clala.fine_tuning]
steps = 2
learning_rate = 1e-3
size = 64
[clala.shape]
width = 16
heads = 2
text_width = 16
[clala.shape.eye]
kind = "trunk"
pooled = 1
[clala.shape.text]
model = "tiny"
frozen = true
hidden = 32
[clala.shape.decoder]
width = 16
layers = 1
heads = 2
feed_forward = 16
most_tokens = 12
"""


@pytest.mark.slow
def test_a_run_in_two_stages_is_resumed_and_loaded(
    tmp_path: Path, tiny_text_encoder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        ReportCase(
            "samples", name, name, SAMPLES / f"{name}.png", split, with_absences(own, FOURTEEN)
        )
        for name, own in FILMS.items()
        for split in [Split.VAL if name == "nodule" else Split.TRAIN]
    ]
    wording = EnglishWording(ReportComposer([], wordings=1, most_words=40))
    monkeypatch.setattr(
        "models.clala.training.read_cases", lambda request, settings: CaseSet(cases, wording)
    )
    encoder = tiny_text_encoder(tmp_path / "encoder")
    preset = tmp_path / "tiny.toml"
    preset.write_text(TINY.replace('"tiny"', json.dumps(str(encoder))))

    def request(resume: bool) -> TrainingRequest:
        return TrainingRequest(
            preset=str(preset),
            data=tmp_path,
            out=tmp_path / "run",
            resume=resume,
            cache=tmp_path / "pulled",
            source=None,
            command="readingroom train report --model clala",
        )

    folder = train_clala(request(resume=False))
    for stage in (tmp_path / "run" / FIRST_STAGE, tmp_path / "run"):
        assert (stage / "metrics.json").is_file() and (stage / "last.ckpt").is_file()
    assert read_config(folder, ClalaConfig).text_sha256 == text_encoder_sha256(encoder)
    writer = load_clala(folder, tmp_path)
    film = read_display(SAMPLES / "effusion.png")
    [report] = writer.write([film])
    [described] = writer.describe([film])
    # The segmenter finds the regions of a synthetic film, so there is something to describe.
    assert len(described.sentences) >= 8
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    assert train_clala(request(resume=True)) == folder
    assert (folder / WEIGHTS).read_bytes() == weights
    assert load_clala(folder, tmp_path).write([film])[0] == report
