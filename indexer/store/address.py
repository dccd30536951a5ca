"""Where a Qdrant server is: what a person writes, made the addresses that are asked."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from indexer.addresses import hide_password
from indexer.errors import StoreError

MEMORY = ":memory:"
PORT = 6333


@dataclass(frozen=True)
class ServerAddress:
    """One server, by one or several addresses: of a cluster, any node will do.

    Attributes:
        urls: each with scheme and port; the next is asked when one does not answer.
    """

    urls: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """From ``host:6333``, ``http(s)://host/path``, or several of them with commas.

        Raises:
            StoreError: it is no address.
        """
        parts = [part.strip() for part in text.split(",")]
        return cls(tuple(dict.fromkeys(_url(part) for part in parts if part or len(parts) == 1)))

    @property
    def is_memory(self) -> bool:
        """Whether it is the store of tests, which ends with the process."""
        return self.urls == (MEMORY,)

    @property
    def shown(self) -> str:
        """For people and for the record: without passwords."""
        return ",".join(hide_password(url) for url in self.urls)

    @property
    def has_password(self) -> bool:
        """Whether somebody's name or password stands in it."""
        return any("@" in urlsplit(url).netloc for url in self.urls)

    def is_same(self, other: "ServerAddress") -> bool:
        """Whether both name the same server: by an address that they share, whoever logs in."""
        return not {_place(url) for url in self.urls}.isdisjoint(_place(url) for url in other.urls)


def _url(part: str) -> str:
    if part == MEMORY:
        return part
    try:
        split = urlsplit(part if "://" in part else f"http://{part}")
        port = split.port or PORT
    except ValueError:
        raise _no_address(part) from None
    if split.scheme not in ("http", "https") or not split.hostname or split.query or split.fragment:
        raise _no_address(part)
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    user, at, _ = split.netloc.rpartition("@")
    return SplitResult(split.scheme, f"{user}{at}{host}:{port}", split.path.rstrip("/"), "", "").geturl()


def _place(url: str) -> tuple[str | None, int | None, str]:
    split = urlsplit(url)
    return split.hostname, split.port, split.path


def _no_address(part: str) -> StoreError:
    return StoreError(
        f"The Qdrant address {hide_password(part)!r} cannot be used; expected http://host:6333, host:6333, "
        "or several of them with commas."
    )
