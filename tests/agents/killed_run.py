"""A draft run in a process of its own, so that a test can kill it in the middle of its experts."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fakes import FakeExpert, default_experts, fake_services, fake_settings

from agents.drafting import DraftOptions, draft_study
from agents.events import Phase, ProgressEvent
from tools.contract import Role


def main() -> None:
    """Draft FILM; the detector never answers. Each answered expert leaves a line on stdout."""
    film = Path(sys.argv[1])
    experts = default_experts()
    experts[Role.DETECTOR] = FakeExpert(Role.DETECTOR, on_run=lambda _: time.sleep(600))

    def show(event: ProgressEvent) -> None:
        if event.phase is Phase.FINISHED:
            print(event.node, flush=True)

    options = DraftOptions(
        out=film.parent / "out", aggregator="phraser", indication="Cough of Jane Roe"
    )
    draft_study(film, options, fake_settings(film.parent, 900.0), show, fake_services(experts))


if __name__ == "__main__":
    main()
