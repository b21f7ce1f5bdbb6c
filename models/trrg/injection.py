"""Clue injection: which clues a film is told, and the words they are made of.

The clue retriever (stage 1) gives the nearness of a film to every clue prompt; softmax over the
diseases gives the paper's weights, and the K heaviest diseases are told (TRRG, section 2.2), each
by its nearest prompt. The paper reports that its model forgets devices, since fourteen diseases
compete for three places. With ``keep_devices`` one more place is held for what is nearest of the
device clues and their denial, so that no disease can crowd a device out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.catalogue import describe
from findings.vocabulary import Finding, Language, Polarity
from models.clues.inference import SURE_OF_SIDE
from models.clues.prompts import DISEASES, CluePrompt, clue_prompts
from models.clues.scoring import PROMPTS, clue_weights, nearest_prompt, side_shares

DEVICES: Final = (
    Finding.SUPPORT_DEVICE,
    Finding.ENDOTRACHEAL_TUBE,
    Finding.NASOGASTRIC_TUBE,
    Finding.CENTRAL_VENOUS_CATHETER,
    Finding.CHEST_TUBE,
    Finding.PACEMAKER,
)


@cache
def device_prompts() -> tuple[CluePrompt, ...]:
    """A clue for each kind of device, and the denial of any."""
    named = ((finding, describe(finding).name(Language.ENGLISH)) for finding in DEVICES)
    present = [CluePrompt(text=f"Clue: {name}", finding=finding) for finding, name in named]
    denial = CluePrompt(
        text="Clue: absence of support device",
        finding=Finding.SUPPORT_DEVICE,
        polarity=Polarity.ABSENT,
    )
    return (*present, denial)


@cache
def told_prompts() -> tuple[CluePrompt, ...]:
    """Every prompt that may be told, in a fixed order: those without severity, then devices.

    No source grades the diseases, so a told clue leaves severity out.
    """
    diseases = [p for p in clue_prompts() if p.severity is None and p.claim.present]
    return (*diseases, *device_prompts())


@dataclass(frozen=True, slots=True)
class ToldClues:
    """The clues of some films: rows of `told_prompts`, ``(films, places)``, heaviest first.

    With devices kept, the last place is theirs. ``weights`` are the paper's, over the diseases.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]


def choose_clues(
    prompts: NDArray[np.floating],
    devices: NDArray[np.floating],
    scale: float,
    most: int,
    keep_devices: bool,
) -> ToldClues:
    """Choose the clues of films.

    Args:
        prompts: cosines ``(films, prompts)`` with `models.clues.prompts.clue_prompts`.
        devices: cosines ``(films, devices)`` with `device_prompts`.
        scale: one over the retriever's temperature.
        most: the paper's K; 3 there.
        keep_devices: whether devices have a place of their own. Without it a device clue competes
            with the diseases for the K places, as the paper's clues do with each other.
    """
    told = {prompt: row for row, prompt in enumerate(told_prompts())}
    cosines = prompts.astype(np.float64)
    near_device = devices.astype(np.float64)
    weights = clue_weights(cosines, scale)
    kinds = [told[prompt] for prompt in device_prompts()]
    rows = np.zeros((len(prompts), most + keep_devices), dtype=np.int64)
    for film in range(len(prompts)):
        # A device is as near as the nearest of its clues; its weight stands beside the diseases'.
        device = int(near_device[film, :-1].argmax())
        heaviest = list(np.argsort(-weights[film], kind="stable")[:most])
        chosen = [told[_nearest(cosines[film], scale, DISEASES[row])] for row in heaviest]
        if keep_devices:
            chosen.append(kinds[int(near_device[film].argmax())])
        else:
            least = cosines[film, PROMPTS.affirming[DISEASES[heaviest[-1]]]].max()
            if near_device[film, device] > least:
                chosen[-1] = kinds[device]
        rows[film] = chosen
    return ToldClues(rows, weights)


def _nearest(similarity: NDArray[np.float64], scale: float, finding: Finding) -> CluePrompt:
    shares = side_shares(similarity, scale, finding)
    side = next((side for side, share in shares.items() if share >= SURE_OF_SIDE), None)
    return nearest_prompt(similarity, finding, side, graded=False)
