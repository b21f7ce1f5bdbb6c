"""torchxrayvision's classifiers as experts, by name: `xrv-densenet121-all` and its like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from findings.errors import SettingsError
from findings.evidence import Classification, Evidence
from imaging.study import Study
from models.published.label_map import FindingLabel, FindingLabels, read_label_map
from models.published.xrv import xrv_classifiers, xrv_finding
from tools.contract import ExpertContext, ExpertOptions, Role
from tools.embedded import evidence_ids
from tools.pulled import PulledExpert

if TYPE_CHECKING:
    from models.published.xrv_classifier import XrvClassifier


def known_names() -> tuple[str, ...]:
    """Every published classifier."""
    return tuple(xrv_classifiers())


class XrvClassifierExpert(PulledExpert["XrvClassifier"]):
    """Judges the whole image with a published network.

    The probability is the network's own sigmoid, and its threshold is the published operating
    point on it: what torchxrayvision rescales so that 0.5 lies there. A rescaled value would claim
    a likelihood that the network does not. No point is published below which a finding is absent,
    so the expert denies nothing; above the published threshold of 80 % precision, where there is
    one, it is confident. A label map may state operating points of one's own.
    """

    seconds = 0.5

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """Raises `SettingsError` where the label map does not fit the network."""
        if name not in xrv_classifiers():
            raise SettingsError(
                f"There is no torchxrayvision classifier named '{name}'. "
                f"Known ones: {', '.join(known_names())}."
            )
        super().__init__(role, name, cache, options)
        self._network = xrv_classifiers()[name]
        self._own = {} if options.labels is None else self._own_points(options.labels)

    def _own_points(self, file: Path) -> dict[str, FindingLabel]:
        given = read_label_map(file, FindingLabels).labels
        for label, point in given.items():
            if label not in self._network.labels or xrv_finding(label) is not point.finding:
                raise SettingsError(
                    f"The label map does not fit '{self._name}': it has no output '{label}' for "
                    f"'{point.finding.value}'. Keep its outputs' meaning and give thresholds only."
                )
        return {point.finding.value: point for point in given.values()}

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """One classification for each finding that the network was trained on, in its order."""
        ids, card = evidence_ids(), self.card
        for finding, judged in self._model.get().judge(study.frontal.display).items():
            point = self._own.get(finding.value) or FindingLabel(
                finding=finding,
                threshold=judged.threshold,
                confident=1.0 if judged.precise is None else judged.precise,
            )
            yield Classification(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=finding,
                probability=judged.probability,
                threshold=point.threshold,
                sensitive_threshold=point.sensitive,
                confident_threshold=point.confident,
            )

    def load(self, file: Path) -> XrvClassifier:
        """The network with its published weights."""
        from models.published.xrv_classifier import XrvClassifier

        return XrvClassifier.load(self._network, file)
