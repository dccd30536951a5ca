"""Errors of the encoding package.

Me5Error                 base: every error a user of ``me5`` may want to catch
├── UnknownModelError    a model name is neither registered, nor a folder, nor a hub id
├── HubUnreachableError  a hub model is not on disk and the hub does not answer
├── ModelFormatError     a folder is not a model this package loads (missing, damaged or pickled weights)
├── ContractError        vectors of two different model contracts would be mixed
├── ExportError          a model cannot be written where it was asked to
├── EngineError          a requested engine, device or precision cannot be used on this machine
├── ShapeError           arrays whose shapes do not fit each other
├── InstructionError     an instruction was given where the model takes none
├── ApiError             a model behind an API cannot be used
├── DiskSpaceError       a disk has no room for what long work keeps
└── WorkCancelledError   long work was asked to stop before its end
"""


class Me5Error(Exception):
    """Base class of every error raised on purpose by ``me5``."""


class UnknownModelError(Me5Error):
    """Raised when a model name cannot be resolved."""


class HubUnreachableError(Me5Error):
    """Raised when a model must be fetched and the hub cannot be reached."""


class ModelFormatError(Me5Error):
    """Raised when a model folder cannot be loaded."""


class ContractError(Me5Error):
    """Raised when vectors of different model contracts would be mixed."""


class EngineError(Me5Error):
    """Raised when a requested engine, device or precision is not available."""


class ExportError(Me5Error):
    """Raised when a model cannot be written to a folder."""


class ShapeError(Me5Error):
    """Raised when array shapes do not fit each other."""


class InstructionError(Me5Error):
    """Raised when an instruction is given where the model takes none."""


class ApiError(Me5Error):
    """Raised when a model behind an API does not answer, refuses, or answers with no usable vectors."""


class DiskSpaceError(Me5Error):
    """Raised when a disk has no room for what long work keeps; what was finished before is kept."""


class WorkCancelledError(Me5Error):
    """Raised when the caller asked long work to stop; what was complete is kept where a folder was given."""
