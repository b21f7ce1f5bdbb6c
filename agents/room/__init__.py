"""The room: studies that people have given, their drafts, and work on them, apart by owner.

The web page and the HTTP interface are two doors to the same room.
"""

from agents.room.board import Board, StudyState
from agents.room.room import Room
from agents.room.shelf import Shelf, ShelvedStudy

__all__ = ["Board", "Room", "Shelf", "ShelvedStudy", "StudyState"]
