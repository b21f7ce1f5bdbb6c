"""What hostile writers achieve: `python -m evaluation.adversarial [--seed N] [--json FILE]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.adversarial.cases import cases
from evaluation.adversarial.run import AttackReport, Target
from evaluation.adversarial.writers import WRITERS, liar


def main() -> None:
    """Every case with the phraser and with every hostile writer, in both forms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="Write every attack here too.")
    given = parser.parse_args()
    attacks = []
    for number, case in enumerate(cases(given.seed)):
        target = Target(case)
        attacks.append(target.attack())
        for name in WRITERS:
            attacks.append(target.attack(liar(name, number, mends_after=number % 3 or None)))
            attacks.append(target.attack(liar(name, number, served=True), whole=True))
    report = AttackReport(attacks=tuple(attacks))
    print(report.markdown())
    if given.json is not None:
        given.json.write_text(report.model_dump_json(indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
