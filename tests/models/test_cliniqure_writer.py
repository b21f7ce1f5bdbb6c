"""CliniQure's writer: what learns, what does not, learning by heart, and the folder it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from findings.claims import Claim
from findings.errors import WeightsError
from findings.vocabulary import Finding, Polarity
from models.cliniqure.inference import CliniqureReporter, load_cliniqure
from models.cliniqure.network import CliniqureWriter
from models.cliniqure.paper import count_cliniqure
from models.cliniqure.preset import CliniqureSettings, Noise
from models.cliniqure.prompting import VERSION, Inputs, Observation
from models.cliniqure.task import PromptedReportTask
from models.cliniqure.training import train_cliniqure
from models.data.records import Split
from models.language.adapters import LoraSettings
from models.reports.cases import CaseSet, ReportCase
from models.reports.contract import Decoding, ReportModelName
from models.training.request import TrainingRequest

LORA = LoraSettings(rank=4, alpha=8.0, dropout=0.0, targets=("q_proj", "v_proj", "o_proj"))
REPORTS = {
    Finding.NODULE: "Nodule in the right lung.",
    Finding.EDEMA: "Large left pleural effusion.",
    Finding.MASS: "Mass.",
    Finding.HERNIA: "Hernia.",
    Finding.FIBROSIS: "There is fibrosis.",
    Finding.EMPHYSEMA: "There is emphysema.",
    Finding.PNEUMONIA: "Small pneumonia. No effusion.",
    Finding.ATELECTASIS: "Lungs clear. No pneumothorax.",
}


class Plain:
    """Words the first affirmation in one way."""

    def report(self, claims: Any, random: np.random.Generator) -> str:
        """The report of the finding."""
        return next((REPORTS[c.finding] for c in claims if c.finding in REPORTS), "Lungs clear.")


def cases() -> CaseSet:
    """Eight films with a finding each; the first is validated on too, as another film."""
    made = [
        ReportCase("x", str(n), str(n), Path("x"), Split.TRAIN, (Claim(finding=finding),))
        for n, finding in enumerate(REPORTS)
    ]
    absent = Claim(finding=Finding.NODULE, polarity=Polarity.ABSENT)
    made.append(ReportCase("x", "v", "v", Path("x"), Split.VAL, made[0].claims))
    made.append(ReportCase("x", "w", "w", Path("x"), Split.VAL, (absent,)))
    return CaseSet(made, Plain())


def task(tiny: Callable[..., Any]) -> PromptedReportTask:
    """Observations without errors, shown by their classes alone."""
    settings = CliniqureSettings(
        lessons="reports",
        noise=Noise(missed=0, false=0, crude_missed=0, crude_false=0),
        answer_tokens=24,
    )
    lora = LoraSettings(rank=16, alpha=32.0)
    return PromptedReportTask(
        lambda: CliniqureWriter(*tiny(2, 1), lora, 24),
        cases(),
        settings,
        Inputs(boxes=False, crude=False),
        8,
        0.0,
    )


def test_eight_cases_are_learnt_by_heart_and_the_language_model_stays(
    tiny_language_model: Callable[..., Any],
) -> None:
    torch.manual_seed(0)
    own = task(tiny_language_model)
    network = own.network()
    assert isinstance(network, CliniqureWriter)
    named = dict(network.named_parameters())
    frozen = {name: p.detach().clone() for name, p in named.items() if not p.requires_grad}
    indices = np.arange(8)
    texts = [own.cases.report(int(index), np.random.default_rng(0)) for index in indices]
    optimiser = torch.optim.Adam([p for p in named.values() if p.requires_grad], lr=4e-3)
    losses = []
    for _ in range(160):
        loss = own.report_loss(network, indices, texts)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    with torch.inference_mode():
        # Each report is learnt for its own film, not one for all.
        wrong = float(own.report_loss(network, np.roll(indices, 1), texts))
    assert wrong > losses[-1] + 0.3
    assert frozen and all(torch.equal(value, named[name]) for name, value in frozen.items())
    assert all("lora_" in name for name in network.state_dict())


def test_the_loss_counts_the_answer_alone(tiny_language_model: Callable[..., Any]) -> None:
    network = CliniqureWriter(*tiny_language_model(), LORA, 24).eval()
    one = network.log_probability(["Report:"], ["Hernia."])
    tokens = len(network.writer.report_tokens(" Hernia."))
    loss = float(network.loss(["Report:"], ["Hernia."]).detach())
    assert loss == pytest.approx(-float(one[0].detach()) / tokens, abs=1e-4)
    assert float(network.log_probability(["Classes: mass Report:"], ["Hernia."])[0]) != float(
        one[0]
    )


def test_without_adapters_nothing_is_trained(tiny_language_model: Callable[..., Any]) -> None:
    network = CliniqureWriter(*tiny_language_model(), None, 24)
    assert not [p for p in network.parameters() if p.requires_grad]
    assert network.state_dict() == {}


def preset(folder: Path, tmp_path: Path, lora: str) -> str:
    """A symptom preset over the tiny language model."""
    file = tmp_path / f"tiny-{lora}.toml"
    file.write_text(
        'role = "report"\nmodel = "cliniqure"\n[loop]\nsteps = 2\nbatch_size = 4\n'
        "learning_rate = 1e-3\ntrunk_learning_rate = 1e-3\nweight_decay = 0.0\nwarmup_steps = 0\n"
        "clip_norm = 1.0\nema_decay = 0.0\nvalidate_every = 1\npatience = 3\nthreads = 1\n"
        f'[backbones]\nlanguage = "{folder}"\n[decoding]\nmost_tokens = 12\n'
        f"[switches]\nlora = {lora}\n"
        '[cliniqure]\nlessons = "symptoms"\nanswer_tokens = 8\n'
    )
    return str(file)


def trained(folder: Path, tmp_path: Path, lora: str = "true") -> Path:
    """The folder of a run of two steps on forty diseases."""
    data = tmp_path / "diseases"
    data.mkdir(exist_ok=True)
    rows = "\n".join(f'Disease {n},"cough, fever {n}"' for n in range(40))
    (data / "set.csv").write_text(f"disease,common_symptom\n{rows}\n")
    out = tmp_path / f"out-{lora}"
    out.mkdir()
    request = TrainingRequest(preset(folder, tmp_path, lora), data, out, False, tmp_path, None, "x")
    return train_cliniqure(request)


def test_a_trained_folder_loads_and_writes_the_same(
    tiny_language_folder: Path, tmp_path: Path
) -> None:
    folder = trained(tiny_language_folder, tmp_path)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert (folder / "model.safetensors").stat().st_size < 100_000  # adapters alone
    writer = load_cliniqure(folder, tmp_path)
    assert writer.name is ReportModelName.CLINIQURE
    assert math.isfinite(writer.config.validation["loss"])
    seen = [Observation(classes=(Finding.NODULE,), crude="Clear."), Observation()]
    first, again = writer.write_observed(seen, 3), writer.write_observed(seen, 3)
    assert first == again and len(first) == 2
    assert writer.write_observed(seen[1:], 3) == first[1:]  # neighbours in a batch do not matter
    drawn = writer.write_observed(seen, 3, Decoding(sample=True, temperature=5.0, most_tokens=12))
    assert drawn != first
    assert writer.write_observed([]) == ()


def test_the_base_model_is_a_row_without_training(
    tiny_language_folder: Path, tmp_path: Path
) -> None:
    writer = load_cliniqure(trained(tiny_language_folder, tmp_path, "false"), tmp_path)
    assert not writer.config.switches.lora
    assert len(writer.write_observed([Observation()])) == 1


def test_another_language_model_and_another_prompt_are_refused(
    tiny_language_folder: Path, tmp_path: Path
) -> None:
    folder = trained(tiny_language_folder, tmp_path)
    config = folder / "config.json"
    text = config.read_text()
    config.write_text(text.replace(f'"prompt_version": "{VERSION}"', '"prompt_version": "0"'))
    with pytest.raises(WeightsError, match="prompt"):
        load_cliniqure(folder, tmp_path)
    digest = text.partition('"language_model_sha256": "')[2][:64]
    config.write_text(text.replace(digest, "0" * 64))
    with pytest.raises(WeightsError, match="language model"):
        load_cliniqure(folder, tmp_path)


class StillObserver:
    """Sees the same in every film."""

    def observe(self, display: np.ndarray, seed: int = 0) -> Observation:  # type: ignore[type-arg]
        """A nodule."""
        return Observation(classes=(Finding.NODULE,))


def test_films_are_observed_and_then_written_of(tiny_language_folder: Path, tmp_path: Path) -> None:
    loaded = load_cliniqure(trained(tiny_language_folder, tmp_path), tmp_path)
    writer = CliniqureReporter(loaded.config, loaded._network, StillObserver)  # type: ignore[arg-type]
    display = np.zeros((8, 8), dtype=np.float32)
    expected = loaded.write_observed([Observation(classes=(Finding.NODULE,))])
    assert writer.write([display, display]) == expected * 2


def test_the_paper_s_size_is_counted_without_weights() -> None:
    whole, adapters = count_cliniqure()
    assert whole.ours == pytest.approx(whole.figure, rel=0.02)
    # 24 layers, two projections of 2048 x 2048, rank 8.
    assert adapters.ours == 24 * 2 * 8 * (2048 + 2048)
    assert math.isnan(adapters.figure) and adapters.reason
