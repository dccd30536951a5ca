"""Where a Qdrant server is: what people write, made addresses; passwords are never shown."""

import pytest

from indexer.errors import StoreError
from indexer.store.address import ServerAddress


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("http://qdrant.internal:6333", ["http://qdrant.internal:6333"]),
        ("qdrant.internal:6333", ["http://qdrant.internal:6333"]),
        ("localhost", ["http://localhost:6333"]),
        ("https://cloud.example.org/vectors/", ["https://cloud.example.org:6333/vectors"]),
        ("10.0.0.1:6333, 10.0.0.2:6334,10.0.0.1:6333", ["http://10.0.0.1:6333", "http://10.0.0.2:6334"]),
        ("http://[::1]:6333", ["http://[::1]:6333"]),
        (":memory:", [":memory:"]),
    ],
)
def test_addresses_in_many_forms(text: str, urls: list[str]) -> None:
    assert list(ServerAddress.parse(text).urls) == urls


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host:6333",
        "http://:6333",
        "http://host:port",
        "http://host:99999",
        "http://host?a=b",
        "http://",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match=r"expected http://host:6333"):
        ServerAddress.parse(text)


def test_a_password_is_asked_with_and_never_shown() -> None:
    address = ServerAddress.parse("https://me:secret@host:6333,me:secret@other")
    assert address.urls == ("https://me:secret@host:6333", "http://me:secret@other:6333")
    assert "secret" not in address.shown and "host:6333" in address.shown
    with pytest.raises(StoreError) as caught:
        ServerAddress.parse("ftp://me:secret@host")
    assert "secret" not in str(caught.value)


def test_the_same_server_is_known_by_any_of_its_addresses() -> None:
    one = ServerAddress.parse("http://a:6333,http://b:6333")
    assert one.is_same(ServerAddress.parse("b")) and one.is_same(ServerAddress.parse("http://me:x@a:6333"))
    assert not one.is_same(ServerAddress.parse("a:6334")) and not one.is_same(ServerAddress.parse("a/other"))
