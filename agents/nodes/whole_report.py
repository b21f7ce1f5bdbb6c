"""The whole report from a capable model: what of its answer stands, and what is to be mended."""

from __future__ import annotations

from collections.abc import Sequence

from agents.aggregator.contract import Attempt, ReportBackend
from agents.aggregator.report import Passage, Written, parse_report, passages, report_task
from agents.nodes.desk import Desk, Fault
from reporting.draft import Section, Sentence
from reporting.read_back import DifferenceType


def write_whole(
    desk: Desk, planned: Sequence[Section], writer: ReportBackend
) -> tuple[list[Section], list[Attempt]]:
    """The planned report with the model's sentences where they pass.

    The second value names the phraser's sentences that stand in for failed ones, to be mended one
    by one. Planned sentences that the answer leaves out stay the phraser's.
    """
    task = report_task(planned, desk.style, desk.state["request"])
    if not task.points:
        return list(planned), []
    answer = desk.ask(lambda _, left: writer.write_report(task, left), only=writer)
    if answer is None:
        return list(planned), []
    written = parse_report(answer, task)
    if written is None:
        desk.counts = desk.counts.plus(())
        return list(planned), []
    attempts: list[Attempt] = []
    sections = [_section(desk, section, written, attempts) for section in planned]
    return sections, attempts


def _section(
    desk: Desk, section: Section, written: Sequence[Written], attempts: list[Attempt]
) -> Section:
    laid, strangers = passages(section, written, desk.ledger, desk.context.has_prior)
    for _ in range(strangers):
        desk.counts = desk.counts.plus({DifferenceType.ADDED})
    replaced: dict[str, tuple[Sentence, ...]] = {}
    for passage in laid:
        if not passage.complete:
            desk.counts = desk.counts.plus({DifferenceType.DROPPED})
        faults = [_fault(desk, passage, place) for place in range(len(passage.written))]
        first = next((place for place, fault in enumerate(faults) if fault is not None), None)
        if first is not None:
            fault = faults[first]
            attempts += [
                Attempt(
                    sentence=sentence.id,
                    tries=1,
                    rejected=passage.written[first].text,
                    complaint=fault.words if fault else None,
                )
                for sentence in passage.planned
            ]
        elif passage.complete:
            replaced[passage.planned[0].id] = passage.written
            replaced.update({sentence.id: () for sentence in passage.planned[1:]})
    sentences = [one for s in section.sentences for one in replaced.get(s.id, (s,))]
    return section.model_copy(update={"sentences": tuple(sentences)})


def _fault(desk: Desk, passage: Passage, place: int) -> Fault | None:
    """What is wrong with one written sentence of a passage; `None` where nothing is."""
    sentence = passage.written[place]
    foreign = [key for key in passage.cited[place] if key not in sentence.evidence]
    if foreign or not passage.cited[place]:
        fault = Fault(
            "It cites evidence that does not carry it.", frozenset({DifferenceType.EVIDENCE})
        )
        desk.counts = desk.counts.plus(fault.types)
        return fault
    return desk.fault(sentence, " ".join(planned.text for planned in passage.planned))
