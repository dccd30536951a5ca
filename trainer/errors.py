"""The errors of this package.

::

    TrainerError
    ├── ConfigError      a recipe holds a value that cannot work
    ├── DataError        a training or evaluation file is missing or not in the expected layout
    └── TrainingError    a run cannot go on
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of every error that trainer raises on purpose."""


class ConfigError(TrainerError):
    """Raised when a recipe is not valid; always before any work starts."""


class DataError(TrainerError):
    """Raised when a file is missing, or a row of it is not in the documented layout."""


class TrainingError(TrainerError):
    """Raised when a run cannot go on: the loss is not finite, or a source has no rows left."""
