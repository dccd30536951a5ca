"""Addresses of servers as they may be shown: without what lets somebody in."""

import re

HIDDEN = "***"
_SECRET_FIELD = re.compile(
    r"((?<![\w-])[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|sslkey)\s*=\s*)('[^']*'|[^&\s'\"]+)",
    re.IGNORECASE,
)
_USER = r"(?P<start>[A-Za-z][\w+.-]*:/{1,2}[^\s:@/]*|[^\s:@/'\"]+)"
_IN_TEXT = re.compile(_USER + r":\S*@")
_ALONE = re.compile(_USER + r":.*@", re.DOTALL)


def hide_passwords(text: str) -> str:
    """A text with ``***`` in place of the passwords and keys of the addresses in it."""
    return _hidden(_IN_TEXT, text)


def hide_password(address: str) -> str:
    """One address, or one word of a command line, with ``***`` in place of its password.

    Whatever is between the user and the last ``@`` is hidden: a password may hold any sign, and the address
    may be misspelt.
    """
    return _hidden(_ALONE, address)


def _hidden(pattern: re.Pattern[str], text: str) -> str:
    return _SECRET_FIELD.sub(rf"\g<1>{HIDDEN}", pattern.sub(rf"\g<start>:{HIDDEN}@", text))
