"""Every expert measured on a folder of data with truth, and the page that shows it.

One module per expert offers ``evaluate_X(data, split, readings) -> XScore | None``:

- ``data`` is a folder laid out as the project's data are; what is missing in it is passed over.
- ``split`` is "val" (rows whose split column says so) or "all"; `readings.wanted` decides.
- ``readings`` gives every expert's evidence on a film, each film looked at once whoever asks:
  ``readings.prepare((Role.DETECTOR,), films)`` reads many films fast and shows progress,
  ``readings.of(Role.DETECTOR, film)`` gives the evidence of one (with what the expert itself needs
  made before), ``readings.installed(role)`` and ``readings.card(role)`` say who is there.
- None means that the data or the expert are not there.

A score is a frozen model with ``markdown() -> list[str]`` (tables, no heading) and, where it has
curves, ``draw(folder) -> list[Path]`` (pictures named ``experts-*.png``, by `evaluation.figures`).
Figures come with intervals by `evaluation.bootstrap` over patients. Latency, size and memory are
measured for all experts alike by `evaluation.experts.cost`. A new expert is a module, a field of
`ExpertReport` and a line in `evaluate_experts`.
"""

from evaluation.experts.lineup import Lineup
from evaluation.experts.readings import Film, Readings, Which
from evaluation.experts.report import ExpertReport, evaluate_experts

__all__ = ["ExpertReport", "Film", "Lineup", "Readings", "Which", "evaluate_experts"]
