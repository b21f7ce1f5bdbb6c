"""What is measured of the language models' speed, and the table that holds it to its bars."""

from __future__ import annotations

from statistics import median
from typing import Final, Literal

from pydantic import Field

from findings.claims import Frozen
from reporting.draft import Writer

FIRST_SENTENCE_SECONDS: Final = 4.0
WRITING_SECONDS: Final = 6.0
OVER_ENGINE: Final = 1.5
BATCH_GAIN: Final = 2.5
Clock = Literal["wall", "cpu"]


class DraftTime(Frozen):
    """The writing of one draft, in seconds from the beginning of writing."""

    first_sentence: float
    """Until a sentence that had passed its read-back was shown."""
    first_own: float | None
    """Until the first of the language model's own sentences was."""
    writing: float
    """Until the report was written, read back and repaired."""
    from_begin: float
    """From the beginning of the draft until its first sentence, without the experts' time."""
    asked: int
    """Sentences that the language model was asked for."""
    own: int
    """Of them, those that stand."""
    writer: Writer


class EngineSpeed(Frozen):
    """Tokens a second of the same model, prompt and number of tokens; prompt in the cache."""

    ours: float = Field(description="through the chat model, held to a schema")
    bare: float = Field(description="the engine alone, free")

    @property
    def ratio(self) -> float:
        """How many times slower ours is."""
        return self.bare / self.ours if self.ours else float("inf")


class BatchSpeed(Frozen):
    """Drafts of a served model, one at a time and several at once."""

    model: str
    at_once: int
    single_per_minute: float
    batch_per_minute: float
    phrased_single_per_minute: float
    """Of the same films by the phraser: what the application takes by itself."""
    phrased_batch_per_minute: float
    sentences: float
    """Asked for, for a draft."""
    fallen_back: int
    """Drafts that the served model did not write, of both runs."""

    @property
    def gain(self) -> float:
        """Throughput of several at once over one at a time."""
        return self.batch_per_minute / self.single_per_minute


class Line(Frozen):
    """One figure and its bar."""

    what: str
    value: float
    unit: str
    bar: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.value <= self.bar if self.at_most else self.value >= self.bar


class SpeedReport(Frozen):
    """What was measured; a part that could not be says why in `notes`."""

    threads: int
    clock: Clock = "wall"
    """What the embedded model's seconds are: of the wall, or of the processor in this process."""
    drafts: tuple[DraftTime, ...] = ()
    engine: EngineSpeed | None = None
    server: BatchSpeed | None = None
    notes: tuple[str, ...] = ()

    def lines(self) -> tuple[Line, ...]:
        """Every figure beside its bar."""
        lines = []
        asked = [one for one in self.drafts if one.asked]
        if asked:
            first = median(one.first_sentence for one in asked)
            own = [one.first_own for one in asked if one.first_own is not None]
            writing = median(one.writing for one in asked)
            lines.append(_seconds("embedded: first sentence (p50)", first, FIRST_SENTENCE_SECONDS))
            if own:
                title = "embedded: first of its own sentences (p50)"
                lines.append(_seconds(title, median(own), FIRST_SENTENCE_SECONDS))
            lines.append(
                _seconds("embedded: whole draft's writing (p50)", writing, WRITING_SECONDS)
            )
        if self.engine is not None:
            title = "embedded: bare engine's tokens/s over ours"
            lines.append(Line(what=title, value=self.engine.ratio, unit="×", bar=OVER_ENGINE))
        if self.server is not None:
            title = f"server: {self.server.at_once} drafts at once over one at a time"
            gain = self.server.gain
            lines.append(Line(what=title, value=gain, unit="×", bar=BATCH_GAIN, at_most=False))
        return tuple(lines)

    def markdown(self) -> str:
        """The figures as a table, and what they rest on."""
        rows = ["| measure | value | bar | met |", "|---|---|---|---|"]
        for line in self.lines():
            sign = "≤" if line.at_most else "≥"
            value, bar = f"{line.value:.2f} {line.unit}", f"{sign} {line.bar:g} {line.unit}"
            rows.append(f"| {line.what} | {value} | {bar} | {'yes' if line.met else 'no'} |")
        seconds = "wall clock" if self.clock == "wall" else "seconds of the processor"
        rest = [
            f"{self.threads} threads, {seconds}; {len(self.drafts)} drafts by the embedded model"
        ]
        if self.drafts:
            asked = sum(one.asked for one in self.drafts)
            own = sum(one.own for one in self.drafts)
            rest.append(f"asked for {asked} sentences, of which {own} stood")
        if self.engine is not None:
            rest.append(
                f"{self.engine.ours:.1f} tokens/s under a schema, {self.engine.bare:.1f} bare"
            )
        if self.server is not None:
            rest.append(
                f"{self.server.model}: {self.server.single_per_minute:.1f} drafts a minute one at "
                f"a time, {self.server.batch_per_minute:.1f} with {self.server.at_once} at once, "
                f"{self.server.sentences:.1f} sentences asked for each, {self.server.fallen_back} "
                "not written by it"
            )
            rest.append(
                f"the same by the phraser: {self.server.phrased_single_per_minute:.1f} and "
                f"{self.server.phrased_batch_per_minute:.1f}"
            )
        return "\n".join([*rows, "", "; ".join(rest) + ".", *self.notes])


def _seconds(what: str, value: float, bar: float) -> Line:
    return Line(what=what, value=value, unit="s", bar=bar)
