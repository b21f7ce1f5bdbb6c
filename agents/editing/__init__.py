"""What a person does to a draft before signing it: every act kept, undone, read back and audited.

The machine's draft stays as it was written; the report that stands is that draft with the acts
applied in turn. Nothing a person writes is blocked: what contradicts the evidence is shown.
"""

from agents.editing.acts import Act, EditedReport, Line, PersonAct, Standing, edited
from agents.editing.book import EditBook, act_on, forget_edits, open_book, undo
from agents.editing.preferences import PREFERENCES_FILE, PreferencePair, keep_pairs
from agents.editing.reading import Note, NoteKind, read_edited

__all__ = [
    "PREFERENCES_FILE",
    "Act",
    "EditBook",
    "EditedReport",
    "Line",
    "Note",
    "NoteKind",
    "PersonAct",
    "PreferencePair",
    "Standing",
    "act_on",
    "edited",
    "forget_edits",
    "keep_pairs",
    "open_book",
    "read_edited",
    "undo",
]
