"""Errors of the page.

UiError              base
└── LaunchError      the page cannot be served: port, address, login file
"""


class UiError(Exception):
    """Base class of every error raised on purpose by ``ui``."""


class LaunchError(UiError):
    """Raised when the page cannot be served as asked."""
