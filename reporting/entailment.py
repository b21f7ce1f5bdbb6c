"""When one claim says another: the hierarchy and place rules that verification applies.

Claims are compared as atoms (`reporting.places.atoms`). A kind of a finding, affirmed, affirms the
finding at every place that contains its own; a finding denied denies every kind of it at every
place inside. Nothing else follows from anything.
"""

from __future__ import annotations

from findings.catalogue import is_a
from findings.claims import Claim, Measurement
from findings.vocabulary import Certainty
from reporting.places import covers

_STRENGTH = {Certainty.POSSIBLE: 0, Certainty.PROBABLE: 1, Certainty.DEFINITE: 2}


def bears_on(said: Claim, meant: Claim) -> bool:
    """True where `said` affirms or denies, at some place, what `meant` is about."""
    if said.polarity is not meant.polarity:
        return False
    if said.present:
        return is_a(said.finding, meant.finding)
    return is_a(meant.finding, said.finding)


def at_least_as_sure(one: Certainty, other: Certainty) -> bool:
    """True where `one` is as strong a statement as `other`, or stronger."""
    return _STRENGTH[one] >= _STRENGTH[other]


def implies(said: Claim, meant: Claim) -> bool:
    """True where the atom `said` leaves no doubt of the atom `meant`."""
    if not bears_on(said, meant) or not at_least_as_sure(said.certainty, meant.certainty):
        return False
    wide, narrow = (meant, said) if said.present else (said, meant)
    if not covers(wide, narrow):
        return False
    return all(
        wanted is None or wanted == given
        for wanted, given in (
            (meant.severity, said.severity),
            (meant.change, said.change),
            (meant.measurement, said.measurement),
        )
    )


def same_number(one: Measurement, other: Measurement) -> bool:
    """True where two measurements agree to the precision at which reports print them."""
    scale = {"cm": 10.0}
    first, second = one.value * scale.get(one.unit, 1.0), other.value * scale.get(other.unit, 1.0)
    units = {"mm" if unit == "cm" else unit for unit in (one.unit, other.unit)}
    return len(units) == 1 and abs(first - second) <= tolerance(one) * scale.get(one.unit, 1.0)


def decimals(measurement: Measurement) -> int:
    """Decimals that a report prints: two for ratios, one for lengths under 10, else none."""
    if measurement.unit == "1":
        return 2
    return 1 if abs(measurement.value) < 10 else 0


def tolerance(measurement: Measurement) -> float:
    """Half a unit of the last printed decimal (and a rounding margin)."""
    return 0.5 * 10.0 ** -decimals(measurement) + 1e-9
