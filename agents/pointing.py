"""The job: a place pointed at on the film, answered in a conversation that can be gone on with."""

from __future__ import annotations

from agents.asking import Conversation
from agents.checkpoints import forget_history, open_checkpoints
from agents.conversation.answer import Answer
from agents.conversation.graph import Turn, build_conversation
from agents.conversation.pointing import at_place
from agents.conversation.router import Question
from findings.claims import Frozen
from findings.errors import UserInputError
from findings.evidence import Box
from findings.vocabulary import Language


class Said(Frozen):
    """One turn of a conversation that is kept."""

    question: str
    answer: Answer


def point(conversation: Conversation, box: Box, language: Language) -> Answer:
    """Answer what lies in the box, and keep the turn, so that "why?" may follow.

    Raises `UserInputError` where the box has no extent.
    """
    if box[2] <= box[0] or box[3] <= box[1]:
        raise UserInputError("The box has no extent. Draw it on the film.")
    question, answer = at_place(conversation.draft, box, language)
    thread = conversation.thread
    if thread:
        turn = Turn(question=question.model_dump_json(), answer=answer.model_dump_json())
        with open_checkpoints(conversation.settings.checkpoint_file) as saver:
            graph = build_conversation(saver)
            config = {"configurable": {"thread_id": thread}}
            graph.update_state(config, {"turns": [turn]}, as_node="answer")  # type: ignore[arg-type]
            forget_history(saver, thread)
    return answer


def turns(conversation: Conversation) -> tuple[Said, ...]:
    """What was said in a conversation that has a name, the oldest first."""
    thread = conversation.thread
    if not thread or not conversation.settings.checkpoint_file.is_file():
        return ()
    with open_checkpoints(conversation.settings.checkpoint_file) as saver:
        graph = build_conversation(saver)
        kept = graph.get_state({"configurable": {"thread_id": thread}}).values.get("turns", [])
    return tuple(
        Said(
            question=Question.model_validate_json(turn["question"]).text,
            answer=Answer.model_validate_json(turn["answer"]),
        )
        for turn in kept
    )
