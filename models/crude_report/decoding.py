"""From word logits to reports: greedy, beam search and sampling, with remembered keys and values.

Two things keep a report from ending up as the one normal report that fits most images. Guidance
compares the image with no image at all: word scores become (1 + g) log p(word | image) -
g log p(word | no image), which favours what this image makes likelier (Ho and Salimans, 2021, as
used for text; with g towards infinity the mutual-information criterion of Li et al., NAACL 2016).
Blocked repetition takes out a word that would close a run of three words already written, as
R2GenCMN does. Both act on scores before the search, so every search honours them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from models.crude_report.network import CrudeReportNetwork, DecoderState
from models.crude_report.tokens import END, PADDING, START, UNKNOWN

_NEVER = (PADDING, START, UNKNOWN)


class DecodingSettings(BaseModel):
    """How a report is searched for; the defaults are R2GenCMN's for IU X-Ray."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_words: int = Field(default=60, gt=0, le=512, description="a report is cut there")
    beams: int = Field(default=3, gt=0, le=16, description="1 is greedy")
    temperature: float = Field(
        default=0.0, ge=0, le=5, description="above 0: sampled by the seed, beams not used"
    )
    guidance: float = Field(default=0.0, ge=0, le=10)
    plausible: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="under guidance only words at least this share as likely as the likeliest",
    )
    block_repeated: int = Field(
        default=3, ge=0, le=10, description="length of the run that may not recur; 0 is off"
    )


@dataclass(frozen=True, slots=True)
class Decoded:
    """The word numbers of one report, without start and end, and the score they reached."""

    words: tuple[int, ...]
    score: float


class Speaker:
    """Next-word scores for a batch of images whose reports are under way."""

    def __init__(
        self,
        network: CrudeReportNetwork,
        encoded: Tensor,
        blank: Tensor | None,
        settings: DecodingSettings,
    ) -> None:
        self._network = network
        self._settings = settings
        self._states: list[DecoderState] = [network.begin(encoded)]
        if settings.guidance > 0:
            if blank is None:
                raise ValueError("guidance needs the image encoded as blank as well")
            self._states.append(network.begin(blank))

    def select(self, rows: Tensor) -> None:
        """Go on with these rows."""
        self._states = [state.select(rows) for state in self._states]

    def scores(self, last: Tensor, written: Sequence[tuple[int, ...]]) -> Tensor:
        """Log probabilities ``(rows, vocabulary)`` after the words ``last`` ``(rows,)``."""
        settings = self._settings
        logits = [self._network.decode(last[:, None], state)[:, 0] for state in self._states]
        scores = logits[0].float().log_softmax(dim=-1)
        if settings.guidance > 0:
            anyway = logits[1].float().log_softmax(dim=-1)
            least = scores.amax(dim=-1, keepdim=True) + math.log(settings.plausible)
            guided = scores + settings.guidance * (scores - anyway)
            scores = guided.masked_fill(scores < least, -torch.inf).log_softmax(dim=-1)
        scores[:, list(_NEVER)] = -torch.inf
        if settings.block_repeated:
            for row, words in enumerate(written):
                for word in closing_words(words, settings.block_repeated):
                    scores[row, word] = -torch.inf
        # Where everything is forbidden the report ends.
        stuck = ~torch.isfinite(scores).any(dim=-1)
        scores[stuck, END] = 0.0
        return scores


def closing_words(words: tuple[int, ...], run: int) -> set[int]:
    """Words that would make the last ``run`` words occur for a second time."""
    if len(words) < run:
        return set()
    opening = words[len(words) - run + 1 :]
    return {
        words[place + run - 1]
        for place in range(len(words) - run + 1)
        if words[place : place + run - 1] == opening
    }


def decode_reports(
    network: CrudeReportNetwork,
    visual: Tensor,
    settings: DecodingSettings,
    hints: Tensor | None = None,
    seed: int = 0,
) -> list[Decoded]:
    """One report for each image of ``visual``; the same for the same input and seed.

    The network must be in evaluation mode. No report has more than ``most_words`` words.
    """
    with torch.inference_mode():
        encoded = network.encode(visual, hints)
        blank = None
        if settings.guidance > 0:
            nothing = torch.ones(len(visual), dtype=torch.bool)
            blank = network.encode(visual[:1], None if hints is None else hints[:1], nothing[:1])
            blank = blank.expand(len(visual), -1, -1)
        if settings.temperature > 0:
            return _sample(Speaker(network, encoded, blank, settings), len(visual), settings, seed)
        return _beam_search(Speaker(network, encoded, blank, settings), len(visual), settings)


def _sample(speaker: Speaker, images: int, settings: DecodingSettings, seed: int) -> list[Decoded]:
    generator = torch.Generator().manual_seed(seed)
    written: list[tuple[int, ...]] = [()] * images
    totals, ended = [0.0] * images, [False] * images
    last = torch.full((images,), START)
    for _ in range(settings.most_words):
        scores = speaker.scores(last, written)
        chances = (scores / settings.temperature).softmax(dim=-1)
        last = torch.multinomial(chances, 1, generator=generator)[:, 0]
        for row, word in enumerate(last.tolist()):
            if ended[row]:
                continue
            totals[row] += float(scores[row, word])
            if word == END:
                ended[row] = True
            else:
                written[row] = (*written[row], word)
        if all(ended):
            break
    return [Decoded(words, total) for words, total in zip(written, totals, strict=True)]


def _beam_search(speaker: Speaker, images: int, settings: DecodingSettings) -> list[Decoded]:
    """Keep the ``beams`` best beginnings of each image; ended ones keep their score.

    With as many beams as there are texts this is exhaustive.
    """
    beams = settings.beams
    written: list[tuple[int, ...]] = [()] * (images * beams)
    speaker.select(torch.arange(images).repeat_interleave(beams))
    # All beams of an image begin alike, so only the first may go on.
    totals = torch.full((images, beams), -torch.inf)
    totals[:, 0] = 0.0
    ended = torch.zeros(images, beams, dtype=torch.bool)
    last = torch.full((images * beams,), START)
    for _ in range(settings.most_words):
        scores = speaker.scores(last, written)
        vocabulary = scores.shape[-1]
        scores = scores.view(images, beams, vocabulary)
        # An ended report stays as it is: it goes on with END alone, at no cost.
        scores[ended] = -torch.inf
        scores[..., END][ended] = 0.0
        reached = (totals[..., None] + scores).flatten(1)
        totals, places = reached.topk(beams, dim=-1)
        parents, words = places // vocabulary, places % vocabulary
        rows = (parents + beams * torch.arange(images)[:, None]).flatten()
        ended = ended.gather(1, parents) | (words == END)
        written = [
            written[row] if word == END else (*written[row], word)
            for row, word in zip(rows.tolist(), words.flatten().tolist(), strict=True)
        ]
        if bool(ended.all()):
            break
        speaker.select(rows)
        last = words.flatten()
    best = totals.argmax(dim=1).tolist()
    return [
        Decoded(written[image * beams + beam], float(totals[image, beam]))
        for image, beam in enumerate(best)
    ]
