"""What a report leaves out: experts that gave nothing, organs that nobody looked at."""

from __future__ import annotations

from collections.abc import Iterator

from reporting.draft import Draft
from reporting.labels import Labels, labels
from reporting.planning import Topic, topic_of


def limits(draft: Draft) -> tuple[str, ...]:
    """The limits of a draft, a sentence each, in its language; they state no finding of the report.

    A silent report must not be taken for one that looked: of bones and devices, for instance,
    where no expert in use tells of them.
    """
    words = labels(draft.language)
    return (*_missing(draft, words), *_unlooked(draft, words))


def _missing(draft: Draft, words: Labels) -> Iterator[str]:
    if draft.experts:
        experts = ", ".join(
            f"{words.roles.get(note.role, note.role)} ({words.experts[note.status]})"
            for note in draft.experts
        )
        yield words.limits["missing"].format(experts=experts)


def _unlooked(draft: Draft, words: Labels) -> Iterator[str]:
    looked_at = {
        topic_of(entry.finding)
        for entry in draft.ledger
        if any(vote.weight != 0 for vote in entry.votes)
    }
    topics = [topic for topic in Topic if topic is not Topic.OTHER and topic not in looked_at]
    if topics:
        named = "; ".join(
            words.limits.get(topic.value, words.topics[topic.value].lower()) for topic in topics
        )
        yield words.limits["unlooked"].format(topics=named)
