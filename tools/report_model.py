"""A report model of the papers in the crude-report generator's place: `report:NAME`.

The evidence rule stays as it is: what such a model writes is read for claims, which are votes like
any other expert's, and nothing of its text enters a draft unread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import SettingsError
from findings.evidence import Classification, Detection, Evidence
from imaging.study import FloatImage, Study
from models.reports.contract import ReportModelName
from models.weights import SHIPPED_DIR
from tools.contract import ExpertCard, ExpertContext, ExpertOptions, Role
from tools.crude_report import read_sentences
from tools.embedded import LICENCE, EmbeddedExpert, Once, ShippedNetwork

if TYPE_CHECKING:
    from models.cliniqure.prompting import Observation
    from models.reports.contract import ReportWriter, WrittenReport

PREFIX: Final = "report:"
FOLDER: Final = "report_models"
"""Where trained report models lie in the folder of pulled weights, one folder each."""
SECONDS: Final = 8.0


def known_names() -> tuple[str, ...]:
    """The five, as experts are named."""
    return tuple(f"{PREFIX}{name}" for name in ReportModelName)


def weights_folder(name: ReportModelName, cache: Path, models: Path | None) -> Path | None:
    """The folder of a model's weights: the settings' own, the pulled one, or the shipped one.

    ``models`` holds a folder for each model, which is the one that training was given as ``--out``
    or the folder ``weights`` in it. None: there is none.
    """
    for home in (models, cache / FOLDER, SHIPPED_DIR):
        for folder in (home / name / "weights", home / name) if home is not None else ():
            if ShippedNetwork.read(folder.name, folder.parent) is not None:
                return folder
    return None


class ReportModelExpert(EmbeddedExpert):
    """Lets one of the five report models write, and reads its sentences.

    CliniQure's writer is given the classes and boxes that the study's own experts state, where
    they do, so that nothing is looked at twice.
    """

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """``name`` is `report:MODEL`, or `report:MODEL:/FOLDER` for certain weights.

        Raises:
            SettingsError: there is no such model, or the folder's path is not a full one.
        """
        model, _, folder = name.removeprefix(PREFIX).partition(":")
        if model not in set(ReportModelName) or (folder and not Path(folder).is_absolute()):
            raise SettingsError(
                f"There is no {role.value} named '{name}'. Report models are named "
                f"{', '.join(known_names())}; a folder of weights follows as :/FOLDER."
            )
        self._name = ReportModelName(model)
        self._cache = cache
        own = Path(folder) if folder else None
        self._folder = own or weights_folder(self._name, cache, options.report_models)
        self._model: Once[ReportWriter] = Once(self._load)

    @property
    def card(self) -> ExpertCard:
        """Identity as the folder's configuration states it; loads no weights."""
        found = self._network()
        observed = (Role.CLASSIFIER, Role.DETECTOR)
        return ExpertCard(
            role=Role.CRUDE_REPORT,
            name=self._name.value,
            version=found.version if found else "none",
            licence=found.licence if found else LICENCE,
            sha256=found.weights_sha256 if found else None,
            uses=observed if self._name is ReportModelName.CLINIQURE else (),
            seconds=SECONDS,
            lacks="" if found else how_to_get(self._name),
        )

    def installed(self) -> bool:
        """Whether there are weights of the model."""
        return self._network() is not None

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """One item per sentence; finding, side and region are those of its main claim."""
        writer = self._model.get()
        report = self._written(writer, study.frontal.display, context)
        return read_sentences(report.sentences, self.card, writer.language)

    def _written(
        self, writer: ReportWriter, display: FloatImage, context: ExpertContext
    ) -> WrittenReport:
        if self._name is ReportModelName.CLINIQURE and context.evidence:
            from models.cliniqure.inference import CliniqureReporter

            if isinstance(writer, CliniqureReporter):
                crude = writer.observer.crude_sentences(display, context.seed)
                seen = observation(context.evidence, " ".join(crude))
                return writer.write_observed([seen], context.seed)[0]
        return writer.write([display], context.seed)[0]

    def _network(self) -> ShippedNetwork | None:
        if self._folder is None:
            return None
        return ShippedNetwork.read(self._folder.name, self._folder.parent)

    def _load(self) -> ReportWriter:
        from models.reports.registry import REPORT_MODELS

        assert self._folder is not None  # `installed` was asked before
        return REPORT_MODELS[self._name].load(self._folder, self._cache)


def observation(evidence: Sequence[Evidence], crude: str) -> Observation:
    """What a study's classifier and detector state, as CliniQure's prompt takes it."""
    from models.cliniqure.prompting import AFFIRMED_AT, Observation, PlacedBox

    judged = [item for item in evidence if isinstance(item, Classification) and not item.screen]
    affirmed = [item for item in judged if item.probability >= AFFIRMED_AT]
    affirmed.sort(key=lambda item: -item.probability)
    return Observation(
        classes=tuple(item.finding for item in affirmed),
        boxes=tuple(
            PlacedBox(item.finding, item.side, item.region)
            for item in evidence
            if isinstance(item, Detection) and not item.weak
        ),
        crude=crude,
    )


def how_to_get(name: ReportModelName) -> str:
    """What to do where a model has no weights here."""
    return (
        f"No weights of the report model '{name}' are here. Train it (readingroom train report "
        f"--model {name} --preset small --data DIR --out DIR/{name}) and name DIR as "
        "experts.report_models, or put its folder of weights into the folder 'report_models' "
        "beside the pulled models."
    )
