"""What masks of the lungs imply about structures that nobody outlined on that film.

Most sources outline lungs only. A network that sees hearts and clavicles outlined in one source
alone, airways and mediastinum in another, learns to recognise those sources instead; these facts
speak for the others. Rows are given as shares of the lungs' height (apex 0, the higher base 1).
Measured on every second JSRT film: between the lungs lies heart in 97 to 99 % of the gap for rows
.65 to .75 and 94 % at .80, and in none of it above .40. Measured on 72 gbseg films, each row a
share of the height of both lungs: the cardiomediastinum begins at .11 to .32 and ends at .71 or
below; the airways end at .68 or above, and lie within .27 to .70 of the lungs' breadth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.data.anatomy_cache import Plane

_HEART_ROWS = (0.64, 0.79)
_NO_HEART_ABOVE = 0.38
_NO_CLAVICLE_BELOW = 0.5
_MEDIASTINUM_ROWS = (0.36, 0.7)
_NO_MEDIASTINUM_ABOVE = 0.08
_NO_AIRWAYS_BELOW = 0.72
_AIRWAYS_COLUMNS = (0.25, 0.72)


@dataclass(frozen=True, slots=True)
class ImpliedAnatomy:
    """Facts about what was not outlined, each 0/1 and ``(batch, height, width)``.

    Heart is ``heart`` wherever ``heart_judged``, and cardiomediastinum ``mediastinum`` wherever
    ``mediastinum_judged``; no clavicle lies where ``no_clavicle``, no airway where ``no_airway``.
    ``films`` ``(batch,)`` marks the films on which the lungs were outlined one by one.
    """

    heart: Tensor
    heart_judged: Tensor
    mediastinum: Tensor
    mediastinum_judged: Tensor
    no_clavicle: Tensor
    no_airway: Tensor
    films: Tensor


def lungs_imply(planes: Tensor, known: Tensor) -> ImpliedAnatomy:
    """Read the facts off the lungs; see :func:`models.segmenter.task.anatomy_loss` for shapes.

    The lungs are taken without what the source draws behind the heart.
    """
    visible = 1 - planes[:, Plane.CARDIOMEDIASTINUM]
    left, right = planes[:, Plane.LEFT_LUNG] * visible, planes[:, Plane.RIGHT_LUNG] * visible
    lungs = torch.maximum(left, right)
    height, width = planes.shape[2:]
    rows = torch.arange(height, dtype=torch.float32)[None]
    columns = torch.arange(width, dtype=torch.float32)

    left_rows, right_rows = left.amax(2), right.amax(2)
    top = torch.where(torch.maximum(left_rows, right_rows) > 0, rows, height).amin(1)
    base = torch.minimum((left_rows * rows).amax(1), (right_rows * rows).amax(1))
    share = (rows - top[:, None]) / (base - top).clamp(min=1.0)[:, None]

    # The patient's right lung lies on the image's left.
    gap_begins = (right * columns).amax(2)
    gap_ends = torch.where(left > 0, columns, width).amin(2)
    gap = ((columns > gap_begins[..., None]) & (columns < gap_ends[..., None])).float()
    both = (left_rows * right_rows) > 0

    def between(limits: tuple[float, float], none_above: float) -> tuple[Tensor, Tensor]:
        """What fills the gap in these rows, is nowhere above another and never in a lung."""
        filled = (share >= limits[0]) & (share <= limits[1]) & both
        judged = (filled | (share < none_above)).float()[..., None].expand_as(lungs)
        return gap * filled.float()[..., None], torch.maximum(judged, lungs)

    heart, heart_judged = between(_HEART_ROWS, _NO_HEART_ABOVE)
    mediastinum, mediastinum_judged = between(_MEDIASTINUM_ROWS, _NO_MEDIASTINUM_ABOVE)
    lung_columns = lungs.amax(1) > 0
    begins = torch.where(lung_columns, columns, width).amin(1, keepdim=True)
    ends = torch.where(lung_columns, columns, 0.0).amax(1, keepdim=True)
    across = (columns - begins) / (ends - begins).clamp(min=1.0)
    lateral = (across < _AIRWAYS_COLUMNS[0]) | (across > _AIRWAYS_COLUMNS[1])
    return ImpliedAnatomy(
        heart=heart,
        heart_judged=heart_judged,
        mediastinum=mediastinum,
        mediastinum_judged=mediastinum_judged,
        no_clavicle=lungs * (share > _NO_CLAVICLE_BELOW).float()[..., None],
        no_airway=(lateral[:, None] | (share > _NO_AIRWAYS_BELOW)[..., None]).float(),
        films=known[:, Plane.LEFT_LUNG] * known[:, Plane.RIGHT_LUNG],
    )
