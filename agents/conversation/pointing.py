"""What lies in a box that a person draws on the film, told from the evidence that overlaps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agents.conversation.answer import Answer
from agents.conversation.ledger_answers import STATED, name
from agents.conversation.phrases import phrases
from agents.conversation.router import Intent, Question
from findings.catalogue import region_name
from findings.evidence import Box, Detection, RegionMask
from findings.regions import Region
from findings.vocabulary import Language
from reporting.draft import Draft
from reporting.ledger import LedgerEntry
from reporting.suggestions import state

if TYPE_CHECKING:
    from imaging.study import Mask

_COVERED: Final = 0.25
"""Share of the drawn box, or of a region's own area, from which a region is named."""
_MOST_REGIONS: Final = 3
_WIDE: Final = (Region.LUNGS, Region.LEFT_LUNG, Region.RIGHT_LUNG, Region.MEDIASTINUM)
"""Named only where nothing finer is: nearly every box lies in one of them."""


def at_place(draft: Draft, box: Box, language: Language) -> tuple[Question, Answer]:
    """What the evidence says of the box (display pixels), and the question it counts as.

    Only evidence with a place of its own speaks: boxes of detections, masks of regions, and the
    ledger entries that name such a region or rest on such a box. A click is a very small box.
    """
    said = phrases(language)
    regions = _regions(draft, box)
    boxes = [
        item
        for item in draft.evidence
        if isinstance(item, Detection) and item.image == 0 and _meet(item.box, box)
    ]
    entries = _entries(draft, regions, boxes)
    stated = [entry for entry in entries if entry.decision in STATED]
    places = ", ".join(dict.fromkeys(region_name(r.region, language) for r in regions))
    question = Question(
        text=said.text["pointed"],
        language=language,
        intent=Intent.PRESENCE,
        finding=stated[0].finding if stated else None,
        side=stated[0].side if stated else None,
        region=regions[0].region if regions else None,
    )
    lines = [said.say("pointed_at", places=places) if places else said.text["pointed_nowhere"]]
    lines += [
        said.say(
            "pointed_says",
            finding=_raised(name(entry.finding, question)),
            certainty=said.text[entry.certainty],
            sentence=(state(entry, language) or name(entry.finding, question)).rstrip("."),
            probability=f"{entry.probability:.2f}",
        )
        for entry in stated
    ]
    unheard = [item for item in boxes if not any(item.id in e.evidence for e in stated)]
    lines += [
        said.say(
            "pointed_box",
            expert=item.expert.replace("_", " "),
            finding=name(item.finding, question),
            probability=f"{item.probability:.2f}",
            evidence=item.id,
        )
        for item in unheard
    ]
    if not stated and not unheard:
        lines.append(said.text["pointed_clear"])
    shown = dict.fromkeys([*(item.id for item in boxes), *(item.id for item in regions)])
    carried = dict.fromkeys([*(key for entry in stated for key in entry.evidence), *shown])
    return question, Answer(
        text=" ".join(lines),
        intent=Intent.PRESENCE,
        claims=tuple(claim for entry in stated if (claim := entry.claim()) is not None),
        evidence=tuple(carried),
        show=tuple(shown),
        language=language,
    )


def _entries(draft: Draft, regions: list[RegionMask], boxes: list[Detection]) -> list[LedgerEntry]:
    """Entries that rest on one of the boxes, or lie in one of the regions."""
    ids = {item.id for item in boxes}
    named = {item.region for item in regions}
    placed = {item.id: item for item in draft.evidence if isinstance(item, Detection)}
    found = []
    for entry in draft.ledger:
        own_boxes = [key for key in entry.evidence if key in placed]
        if ids & set(own_boxes) or (not own_boxes and entry.region in named):
            found.append(entry)
    return found


def _regions(draft: Draft, box: Box) -> list[RegionMask]:
    """The regions that the box lies in, the finest first."""
    found: list[tuple[float, RegionMask]] = []
    for item in draft.evidence:
        if not isinstance(item, RegionMask) or item.image != 0 or not _meet(item.box, box):
            continue
        inside, size = _overlap(item, box)
        area = max(1.0, (box[2] - box[0]) * (box[3] - box[1]))
        if inside / area >= _COVERED or (size > 0 and inside / size >= 0.5):
            found.append((size, item))
    ordered = [item for _, item in sorted(found, key=lambda pair: pair[0])]
    fine = [item for item in ordered if item.region not in _WIDE]
    return (fine or ordered)[:_MOST_REGIONS]


def _overlap(item: RegionMask, box: Box) -> tuple[float, float]:
    """Pixels of the region inside the box, and of the region as a whole."""
    if item.mask is None:
        x0, y0, x1, y1 = item.box
        width = min(x1, box[2]) - max(x0, box[0])
        height = min(y1, box[3]) - max(y0, box[1])
        return max(0.0, width) * max(0.0, height), (x1 - x0) * (y1 - y0)
    mask = _mask(item)
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = max(x0 + 1, round(box[2])), max(y0 + 1, round(box[3]))
    return float(mask[y0:y1, x0:x1].sum()), float(mask.sum())


def _mask(item: RegionMask) -> Mask:
    from imaging.masks import decode_mask

    assert item.mask is not None
    return decode_mask(item.mask)


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
