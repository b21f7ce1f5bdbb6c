"""The error family of the whole application, in one place.

ReadingRoomError
├── UserInputError            the request itself cannot be served            exit 2
│   ├── StudyError            a study cannot be read or is malformed         exit 3
│   │   └── NotAChestRadiographError   the input gate refused it             exit 4
│   ├── ReportError           a report or text input cannot be used          exit 3
│   └── SettingsError         a setting, file or environment value is wrong  exit 2
├── ResourceError             something the installation should provide      exit 5
│   ├── WeightsError          weights absent, damaged or of the wrong kind
│   ├── IndexUnavailableError the retrieval index is absent or stale
│   └── BackendError          a language-model back end cannot be reached or answered badly
├── ExpertError               one expert failed; the draft goes on without   (noted in the draft)
│   └── ExpertTimeoutError    ... because it ran past its time limit
├── EvidenceRuleError         a text says what its evidence does not carry   exit 6
└── TrainingInterruptedError  a training run was stopped, and is saved       exit 130

Every message is one or two plain sentences: what happened, what it means, what to do. Messages
never carry patient data (names, identifiers, dates, report text).
"""

from __future__ import annotations

from typing import ClassVar


class ReadingRoomError(Exception):
    """Base of every error this application raises on purpose."""

    exit_code: ClassVar[int] = 1


class UserInputError(ReadingRoomError):
    """The request cannot be served as it was made; changing the request helps."""

    exit_code = 2


class StudyError(UserInputError):
    """A study cannot be read: missing, unreadable, damaged, too large, or without an image."""

    exit_code = 3


class NotAChestRadiographError(StudyError):
    """The input gate refused the study; the message lists its reasons."""

    exit_code = 4


class ReportError(UserInputError):
    """A report or another text input cannot be read."""

    exit_code = 3


class SettingsError(UserInputError):
    """A setting from a flag, the environment or a settings file is not usable."""

    exit_code = 2


class ResourceError(ReadingRoomError):
    """Something the installation should provide is not there or is damaged."""

    exit_code = 5


class WeightsError(ResourceError):
    """Model weights are absent, have the wrong checksum, or do not fit the network."""


class IndexUnavailableError(ResourceError):
    """The retrieval index is absent, incomplete, or was built by an incompatible version."""


class BackendError(ResourceError):
    """A language-model back end cannot be started or reached, or its answer is unusable."""


class ExpertError(ReadingRoomError):
    """One expert failed on this study; the draft notes it and goes on without that expert."""


class ExpertTimeoutError(ExpertError):
    """One expert ran past its time limit."""


class EvidenceRuleError(ReadingRoomError):
    """A text asserts what its evidence does not carry and could not be repaired."""

    exit_code = 6


class TrainingInterruptedError(ReadingRoomError):
    """A training run was stopped by a signal; it is saved and can be resumed."""

    exit_code = 130
