"""One request to an API: sent again where that can help, and never to another address than was named."""

import json
import logging
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any

from me5.errors import ApiError

logger = logging.getLogger(__name__)

ATTEMPTS = 6
TIMEOUT_S = 120.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
WORTH_ANOTHER = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MAX_ANSWER_BYTES = 256 * 2**20


class TooLargeError(ApiError):
    """Raised when the API says that a request is too large; a smaller one may be sent."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key and the texts go to the address that was named, not to where that points."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Client:
    """Posts JSON.

    Attributes:
        base: address without a slash at the end.
        key: sent as a bearer token; never shown.
        pause: waits so many seconds.
    """

    base: str
    key: str | None = None
    pause: Callable[[float], None] = time.sleep

    def __repr__(self) -> str:
        return f"Client({self.base})"

    def post(self, path: str, body: Any) -> Any:
        """The JSON that is answered.

        Raises:
            TooLargeError: the request is too large.
            ApiError: the API refuses, or does not answer after some attempts.
        """
        problem = ""
        for attempt in range(ATTEMPTS):
            try:
                return self._ask(path, body)
            except urllib.error.HTTPError as error:
                with error:
                    problem = f"status {error.code}: {_words(error)}"
                    if error.code == 413:
                        raise TooLargeError(self._refused(problem)) from error
                    if error.code not in WORTH_ANOTHER:
                        raise ApiError(self._refused(problem)) from error
                    wanted = _retry_after(error.headers.get("Retry-After"))
            except (OSError, HTTPException) as error:
                problem, wanted = f"{type(error).__name__}: {error}", None
            if attempt + 1 < ATTEMPTS:
                pause = _pause_s(attempt) if wanted is None else min(wanted, LONGEST_PAUSE_S)
                logger.info("%s: %s; asked again in %.1f s", self.base, problem, pause)
                self.pause(pause)
        raise ApiError(
            f"{self.base} did not answer after {ATTEMPTS} attempts ({problem}). What was encoded before is "
            "kept. Look at the server and at your network, and start again."
        )

    def _ask(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        content = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, content, headers, method="POST")
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_S) as answer:
            content = answer.read(MAX_ANSWER_BYTES + 1)
        try:
            if len(content) > MAX_ANSWER_BYTES:
                raise ValueError("it is too long")
            return json.loads(content)
        except ValueError as error:
            raise ApiError(
                f"{self.base}{path} did not answer with JSON ({error}). Expected an address such as "
                "http://localhost:11434/v1. Correct --api-base."
            ) from error

    def _refused(self, problem: str) -> str:
        advice = {
            "401": "Look at the key.",
            "403": "Look at the key.",
            "404": "Look at the address (--api-base) and at the name of the model.",
        }
        return f"{self.base} refuses ({problem}). {advice.get(problem[7:10], 'Correct what it names.')}"


def _words(error: urllib.error.HTTPError) -> str:
    """What the API says, cut short; never the request, which holds texts."""
    try:
        message = json.loads(error.read(65_536))
        result = message.get("error", message.get("message", "")) if isinstance(message, dict) else ""
        words = result.get("message", "") if isinstance(result, dict) else result
    except (ValueError, OSError, HTTPException):
        words = ""
    return str(words or error.reason)[:200]


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _pause_s(attempt: int) -> float:
    """Doubled with each attempt, and never the same for two programs."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt) * random.uniform(0.5, 1))
