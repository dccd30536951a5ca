"""Who may log in: a file of ``user:password`` lines, passwords plain or hashed with PBKDF2.

``python -m ui.auth USER`` asks for a password and prints the line to put into the file.
"""

import argparse
import asyncio
import base64
import getpass
import hashlib
import hmac
import logging
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ui.errors import LaunchError

logger = logging.getLogger(__name__)

SCHEME = "pbkdf2_sha256"
ITERATIONS = 600_000  # OWASP Password Storage Cheat Sheet, PBKDF2-HMAC-SHA256
MIN_PASSWORD = 8


def hash_password(password: str, *, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """``pbkdf2_sha256$iterations$salt$digest`` with a random salt; holds no colon."""
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return "$".join((SCHEME, str(iterations), _b64(salt), _b64(digest)))


def verify_password(password: str, stored: str) -> bool:
    """Compare in constant time against a hashed password; a damaged hash lets nobody in."""
    try:
        _, iterations, salt, _ = stored.split("$")
        expected = hash_password(password, iterations=int(iterations), salt=base64.b64decode(salt))
    except ValueError:
        return False
    return hmac.compare_digest(expected.encode(), stored.encode())


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def read_auth_file(path: Path) -> dict[str, str]:
    """Users and their stored passwords.

    Raises:
        LaunchError: the file is missing, empty, or a line is not ``user:password`` with 8 characters or more.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(
            f"The auth file {path} cannot be read ({error}). Expected a text file with lines user:password. "
            "Create it, for example with `python -m ui.auth USER`."
        ) from error
    users: dict[str, str] = {}
    for index, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, separator, password = line.strip().partition(":")
        if not separator or not user or len(password) < MIN_PASSWORD:
            raise LaunchError(
                f"Line {index} of the auth file {path} is not a login. Expected user:password with a "
                f"password of {MIN_PASSWORD} characters or more. `python -m ui.auth USER` prints such a line."
            )
        users[user] = password
    if not users:
        raise LaunchError(f"The auth file {path} has no users. Expected lines user:password. Add one.")
    return users


def checker(users: dict[str, str]) -> Callable[[str, str], Awaitable[bool]]:
    """What Gradio calls on a login. Plain passwords are hashed first: every refusal takes the same time."""
    hashed = {user: p if p.startswith(f"{SCHEME}$") else hash_password(p) for user, p in users.items()}
    nobody = hash_password(secrets.token_hex(16))

    async def may_enter(user: str, password: str) -> bool:
        stored = hashed.get(user)
        is_right = await asyncio.to_thread(verify_password, password, stored or nobody)
        if not (is_right and stored):
            logger.warning("Login refused")
            return False
        return True

    return may_enter


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for the auth file; the password is asked for and never shown."""
    parser = argparse.ArgumentParser(prog="python -m ui.auth", description="Print a line for --auth-file.")
    parser.add_argument("user", help="login name, without a colon")
    user = parser.parse_args(argv).user
    password = getpass.getpass("Password: ")
    if ":" in user or len(password) < MIN_PASSWORD:
        words = f"Expected a name without ':' and a password of {MIN_PASSWORD} characters or more."
        print(words, file=sys.stderr)  # noqa: T201 - a command
        return 1
    print(f"{user}:{hash_password(password)}")  # noqa: T201 - a command prints its result
    return 0


if __name__ == "__main__":
    sys.exit(main())
