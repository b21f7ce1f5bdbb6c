"""A trained region detector in the segmenter's place: boxes of regions, no outlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from findings.errors import SettingsError
from findings.evidence import Evidence, RegionMask
from findings.regions import region_side
from imaging.study import Study
from tools.contract import ExpertCard, ExpertContext, ExpertOptions, Role
from tools.embedded import LICENCE, EmbeddedExpert, Once, ShippedNetwork, evidence_ids
from tools.trust import USABLE_QUALITY

if TYPE_CHECKING:
    from models.region_detector.inference import RegionDetector

PREFIX: Final = "regions:"
SECONDS: Final = 2.0


class RegionDetectorExpert(EmbeddedExpert):
    """Says where the regions are, by the weights of a folder that training left.

    It outlines nothing, so whatever measures on outlines states nothing beside it.
    """

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """``name`` is `regions:/FOLDER`. Raises `SettingsError` where no folder is named."""
        self._folder = Path(name.removeprefix(PREFIX)).expanduser()
        if not name.startswith(PREFIX) or not self._folder.is_absolute():
            raise SettingsError(
                f"A region detector is named {PREFIX}/FOLDER, with the full path of the folder "
                "'weights' that 'readingroom train region_detector' left."
            )
        self._model: Once[RegionDetector] = Once(self._load)

    @property
    def card(self) -> ExpertCard:
        """Identity as the folder's configuration states it; loads no weights."""
        found = ShippedNetwork.read(self._folder.name, self._folder.parent)
        return ExpertCard(
            role=Role.SEGMENTER,
            name=found.name if found else "region_detector",
            version=found.version if found else "none",
            licence=found.licence if found else LICENCE,
            sha256=found.weights_sha256 if found else None,
            seconds=SECONDS,
            lacks="" if found else "Train it: readingroom train region_detector.",
        )

    def installed(self) -> bool:
        """Whether the folder holds a network."""
        return ShippedNetwork.read(self._folder.name, self._folder.parent) is not None

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """The regions found, in the network's order; those that are hardly sure are left out."""
        ids, card = evidence_ids(), self.card
        detector = self._model.get()
        found = detector.find(study.frontal.display)
        for region in detector.config.regions:
            own = found.get(region)
            if own is not None and own.score >= USABLE_QUALITY:
                yield RegionMask(
                    id=next(ids),
                    expert=card.name,
                    version=card.version,
                    region=region,
                    side=region_side(region),
                    box=own.box,
                    quality=own.score,
                )

    def _load(self) -> RegionDetector:
        from models.region_detector.inference import RegionDetector

        return RegionDetector.load(self._folder)
