"""Where the vectors of a library live: recorded, so that they are never looked for elsewhere.

The catalog remembers it (setting ``home``), so machines that share one know it too. An API key is not part of
it, and a password in an address is not kept.
"""

from typing import Any

from indexer.catalog import Catalog
from indexer.errors import StoreError
from indexer.library.presence import Presence
from indexer.store.address import ServerAddress

EMBEDDED = "embedded"
_SETTING, _FORMER, _MACHINE = "home", "former_home", "home_machine"


def recorded_home(catalog: Catalog) -> str | None:
    """``embedded``, an address without its password, or None for a library of before and a new one."""
    value: Any = catalog.settings.get(_SETTING)
    return value if isinstance(value, str) else None


def in_words(home: str, *, to: bool = False) -> str:
    """A recorded home, as it stands in a sentence: where vectors are, or where they go ``to``."""
    if home == EMBEDDED:
        return "into the data folder" if to else "in the data folder"
    return f"{'to' if to else 'at'} {home}"


def keepable(address: str) -> str:
    """An address as it may be written down.

    Raises:
        StoreError: it is no address, or a password stands in it.
    """
    parsed = ServerAddress.parse(address)
    if parsed.has_password:
        raise StoreError(
            "Leave name and password out of the address: it is written down. Put the key of the server into "
            "the variable QDRANT_API_KEY before you start the app."
        )
    return ",".join(parsed.urls)


def is_home(recorded: str, address: str | None) -> bool:
    """Whether a recorded home is the one at an address; None: embedded."""
    if address is None or recorded == EMBEDDED:
        return address is None and recorded == EMBEDDED
    return ServerAddress.parse(address).is_same(ServerAddress.parse(recorded))


def choose_home(catalog: Catalog, asked: str | None) -> str | None:
    """The address to open, or None for the embedded store.

    Args:
        catalog: of the library.
        asked: the address that was given, if any.

    Raises:
        StoreError: the vectors are elsewhere.
    """
    recorded = recorded_home(catalog)
    if recorded is None:
        return asked
    if asked is None:
        return None if recorded == EMBEDDED else recorded
    if is_home(recorded, asked):
        return asked  # perhaps with the password that is not kept
    raise StoreError(
        f"The vectors of this library are {in_words(recorded)}, not at {ServerAddress.parse(asked).shown}. "
        "Leave --qdrant-url out to use them where they are, or bring them there: "
        "python app.py move --to ADDRESS."
    )


def record_home(catalog: Catalog, address: str | None) -> None:
    """Remember where the vectors are; None: embedded. The store of tests is not remembered."""
    home = EMBEDDED if address is None else ServerAddress.parse(address)
    if isinstance(home, ServerAddress):
        if home.is_memory:
            return
        home = ",".join(_without_user(url) for url in home.urls)
    if recorded_home(catalog) != home:
        catalog.settings.set(_SETTING, home)
    if address is not None and catalog.settings.get(_MACHINE) is not None:
        catalog.settings.set(_MACHINE, None)


def claim_embedded_home(catalog: Catalog, host: str) -> None:
    """Remember that this machine's data folder holds the vectors of a catalog that machines share.

    Raises:
        StoreError: that of another machine holds them.
    """
    machine = catalog.settings.get(_MACHINE)
    if machine not in (None, host):
        raise StoreError(
            "The vectors of this library are in the data folder of another machine. Machines share a Qdrant "
            "server: bring them there, on that machine, with python app.py move --to ADDRESS."
        )
    if machine is None:
        catalog.settings.set(_MACHINE, host)


def require_other_home(catalog: Catalog, presence: Presence, address: str | None) -> str:
    """Where the vectors are, if they can be moved to an address from there.

    Raises:
        StoreError: they are there already, the address is not one, or other processes use the present home.
    """
    former = recorded_home(catalog) or EMBEDDED
    if is_home(former, address):
        raise StoreError(f"The vectors are {in_words(former)} already. Name another home.")
    others = presence.alive() - {presence.owner} if presence.is_shared else set()
    if others:
        raise StoreError(
            f"{len(others)} other processes of this library are at work and would go on {in_words(former)}. "
            "Stop them first."
        )
    return former


def former_home(catalog: Catalog) -> str | None:
    """Where the vectors were before they were moved, as long as that copy is kept."""
    value: Any = catalog.settings.get(_FORMER)
    return value if isinstance(value, str) else None


def record_move(catalog: Catalog, address: str | None, former: str) -> None:
    """Remember the new home, and the one whose copy is kept."""
    record_home(catalog, address)
    catalog.settings.set(_FORMER, former)


def forget_former(catalog: Catalog) -> None:
    """The copy in the former home is gone."""
    catalog.settings.set(_FORMER, None)


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
