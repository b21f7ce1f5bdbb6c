"""Who is compared: the five report models, the shipped generator, plain baselines, the room."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from findings.claims import Frozen
from findings.errors import NotAChestRadiographError, WeightsError
from findings.vocabulary import Language
from models.reports.contract import ReportModelName
from reporting.draft import Draft, SectionName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agents.settings import Settings


class WriterName(StrEnum):
    """Every writer, in the order of the table."""

    RADIXPERT_FUSION = "radixpert_fusion"
    RADIXPERT_ANATOMY = "radixpert_anatomy"
    CLINIQURE = "cliniqure"
    CLALA = "clala"
    TRRG = "trrg"
    R2GENCMN = "r2gencmn"
    NEAREST = "nearest"
    LABELS = "labels"
    NORMAL = "normal"
    ROOM = "room"


TITLES = {
    WriterName.RADIXPERT_FUSION: "Radixpert, HCF and S-CMT",
    WriterName.RADIXPERT_ANATOMY: "Radixpert, anatomy-guided",
    WriterName.CLINIQURE: "CliniQure",
    WriterName.CLALA: "CLALA-Net",
    WriterName.TRRG: "TRRG",
    WriterName.R2GENCMN: "R2GenCMN (shipped)",
    WriterName.NEAREST: "nearest training film's report",
    WriterName.LABELS: "classifier's labels, phrased",
    WriterName.NORMAL: "constant normal report",
    WriterName.ROOM: "Reading Room, whole graph",
}


class Shelf(Frozen):
    """What a writer may look things up in, and where weights are."""

    language: Language
    normal: str
    films: tuple[Path, ...] = ()
    """Films to look things up in, and what is reported of each; blank: not to be looked up."""
    reports: tuple[str, ...] = ()
    seen: Path = Path("cache")
    """Folder for what the trunk sees of them; a training run's own has it already."""
    weights: Path | None = None
    """Folder with a folder for each report model."""


class Writer(Protocol):
    """Reports on one film at a time, as in use."""

    @property
    def trained(self) -> int:
        """Parameters that training changed."""

    def write(self, film: Path) -> str:
        """The report's text; blank where none is given. Raises `ReadingRoomError`."""


def make_writer(name: WriterName, shelf: Shelf, settings: Settings) -> Writer:
    """Load a writer.

    Raises:
        WeightsError: its weights are not here.
    """
    if name.value in {model.value for model in ReportModelName}:
        return _model(ReportModelName(name.value), shelf, settings)
    match name:
        case WriterName.R2GENCMN:
            return _generator()
        case WriterName.NEAREST:
            return NearestFilm(shelf.films, shelf.reports, shelf.seen)
        case WriterName.LABELS:
            return _Room(labels_only(settings), shelf.language)
        case WriterName.ROOM:
            return _Room(settings, shelf.language)
        case _:
            return _Plain(lambda film: shelf.normal, 0)


@dataclass(frozen=True)
class _Plain:
    """A function as a writer."""

    report: Callable[[Path], str]
    trained: int

    def write(self, film: Path) -> str:
        return self.report(film)


def _model(name: ReportModelName, shelf: Shelf, settings: Settings) -> Writer:
    from models.reports.registry import REPORT_MODELS
    from tools.report_model import how_to_get, weights_folder

    folder = weights_folder(name, settings.cache_dir, shelf.weights)
    if folder is None:
        raise WeightsError(how_to_get(name))
    from models.preprocessing import read_display

    writer = REPORT_MODELS[name].load(folder, settings.cache_dir)

    def write(film: Path) -> str:
        return " ".join(writer.write([read_display(film)])[0].sentences)

    return _Plain(write, parameters(folder))


def _generator() -> Writer:
    from models.crude_report.inference import FOLDER, CrudeReporter
    from models.preprocessing import read_display
    from models.shipping import SHIPPED

    reporter = CrudeReporter.load()

    def write(film: Path) -> str:
        return " ".join(reporter.write(read_display(film)).sentences)

    return _Plain(write, parameters(SHIPPED / FOLDER))


class NearestFilm:
    """The report of the training film whose trunk features are most like the film's own."""

    trained = 0

    def __init__(self, films: Sequence[Path], reports: Sequence[str], seen: Path) -> None:
        """See every film once, unless ``seen`` holds that; films without a report are left out."""
        from models.classifier.inference import FindingClassifier
        from models.data.trunk_features import trunk_features

        self._classifier = FindingClassifier.load()
        self._places = [place for place, report in enumerate(reports) if report]
        self._reports = tuple(reports)
        self._known = np.zeros((0, 1), dtype=np.float32)
        if self._places:
            sha256 = self._classifier.config.weights_sha256
            maps = trunk_features(films, self._classifier.features, sha256, seen)
            self._known = np.array([_pooled(maps[place]) for place in self._places])

    def write(self, film: Path) -> str:
        """The nearest film's report; nothing without training films."""
        from models.preprocessing import read_display

        if not self._places:
            return ""
        own = _pooled(self._classifier.features(read_display(film)))
        return self._reports[self._places[int(np.argmax(self._known @ own))]]


def _pooled(maps: NDArray[np.float16] | NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of a film's maps, of length one."""
    mean = maps.astype(np.float32).mean(axis=(1, 2))
    vector: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return vector


class _Room:
    """The state machine with the experts of the settings; the report is its findings section."""

    trained = 0

    def __init__(self, settings: Settings, language: Language) -> None:
        self._settings = settings
        self._language = language

    def write(self, film: Path) -> str:
        from agents.drafting import DraftOptions, draft_study

        with tempfile.TemporaryDirectory(prefix="readingroom-") as folder:
            options = DraftOptions(
                language=self._language,
                seed=self._settings.seed,
                aggregator=self._settings.llm.aggregator,
                out=Path(folder) / "draft",
            )
            try:
                draft = draft_study(film, options, self._settings).draft
            except NotAChestRadiographError:
                return ""
        return findings_text(draft)


def findings_text(draft: Draft) -> str:
    """The findings section of a draft as text."""
    return " ".join(item.text for item in draft.section(SectionName.FINDINGS).sentences)


def labels_only(settings: Settings) -> Settings:
    """The settings with no expert but the classifier, no neighbours, and the phraser as writer."""
    alone = dict.fromkeys(
        ("detector", "segmenter", "clues", "crude_report", "measurer", "prior_comparer"), "none"
    )
    return settings.model_copy(
        update={
            "experts": settings.experts.model_copy(update=alone),
            "llm": settings.llm.model_copy(update={"aggregator": "phraser"}),
            "retrieval": settings.retrieval.model_copy(update={"enabled": False}),
        }
    )


def parameters(folder: Path) -> int:
    """Numbers in a folder's weights file, running statistics left out."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        return sum(
            int(np.prod(weights.get_slice(name).get_shape(), dtype=np.int64))
            for name in weights.keys()  # noqa: SIM118  (safe_open is no mapping)
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        )
