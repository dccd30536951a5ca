"""Renamed files: found by their new names, as if indexed anew, and embedded no more than that takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.library.library import Library
from indexer.search.lexical import sparse_query
from indexer.types import Point
from me5.prefixes import Role

TITLED = "Tea garden\n\nThe tea is brewed twice. It takes a quarter of an hour.\n"


def points(library: Library) -> dict[tuple[str, int], Point]:
    """The points by path and start of their passages."""
    collection = library.catalog.collection("library")
    found = library.store.fetch_points(
        collection.store_name, list(library.store.iter_ids(collection.store_name))
    )
    infos = library.chunks_by_id([point.id for point in found])
    return {(info.document, info.chunk.start): point for info, point in zip(infos, found, strict=True)}


def lexical_hits(library: Library, words: str) -> list[str]:
    """Names of the documents that share a feature with the words, best first."""
    query = sparse_query(words)
    weights = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    scores: dict[str, float] = {}
    for (path, _), point in points(library).items():
        features = zip(point.sparse.indices.tolist(), point.sparse.values.tolist(), strict=True)
        score = sum(weights.get(feature, 0.0) * value for feature, value in features)
        if score:
            scores[Path(path).name] = max(score, scores.get(Path(path).name, 0.0))
    return sorted(scores, key=lambda name: -scores[name])


def assert_as_if_new(library: Library, folder: Path, fresh: Library) -> None:
    """The points are those that a first indexing of the folder would have made."""
    fresh.add([folder], "fresh")
    collection = fresh.catalog.collection("fresh")
    ids = list(fresh.store.iter_ids(collection.store_name))
    anew = {
        (info.document, info.chunk.start): point
        for info, point in zip(
            fresh.chunks_by_id(ids), fresh.store.fetch_points(collection.store_name, ids), strict=True
        )
    }
    known = points(library)
    assert known.keys() == anew.keys()
    for place, point in known.items():
        np.testing.assert_allclose(point.dense, anew[place].dense, atol=1e-6, err_msg=str(place))
        np.testing.assert_array_equal(point.sparse.indices, anew[place].sparse.indices, err_msg=str(place))
        np.testing.assert_allclose(point.sparse.values, anew[place].sparse.values, rtol=1e-6)
        assert point.payload["folders"] == anew[place].payload["folders"]


@pytest.fixture
def titled(documents: Path) -> Path:
    (documents / "cay-bahcesi.txt").write_text(TITLED, encoding="utf-8")
    return documents


def test_a_renamed_file_is_as_if_indexed_anew(library: Library, titled: Path) -> None:
    library.add([titled])
    (titled / "harbour.txt").rename(titled / "quay walls.txt")
    (titled / "cay-bahcesi.txt").rename(titled / "sub" / "samovar.txt")
    (titled / "sub" / "long.txt").rename(titled / "long.txt")
    assert library.add([titled], prune=True).renamed == 3
    assert_as_if_new(library, titled, library)


def test_the_new_name_is_found_and_the_old_one_is_not(
    library: Library, titled: Path, fake_encoder: Any
) -> None:
    (titled / "zeppelin.txt").write_text("It was built in 1894.", encoding="utf-8")
    library.add([titled])
    assert lexical_hits(library, "zeppelin") == ["zeppelin.txt"]
    (titled / "zeppelin.txt").rename(titled / "balloon.txt")
    library.add([titled], prune=True)
    assert lexical_hits(library, "balloon") == ["balloon.txt"]
    assert lexical_hits(library, "zeppelin") == []
    name = library.catalog.collection("library").store_name
    (vector,) = fake_encoder.encode(["balloon"], Role.QUERY)
    best = library.store.query(name, dense=vector, limit=1)
    assert library.chunks_by_id([best[0].id])[0].document.endswith("balloon.txt")


def test_a_renaming_embeds_only_what_was_called_by_its_file(
    library: Library, titled: Path, fake_encoder: Any
) -> None:
    library.add([titled])
    seen = fake_encoder.texts_seen
    (titled / "cay-bahcesi.txt").rename(titled / "samovar.txt")  # has a title of its own
    (titled / "sub").rename(titled / "below")
    assert library.add([titled], prune=True).renamed == 2
    assert fake_encoder.texts_seen == seen
    (titled / "harbour.txt").rename(titled / "port.txt")
    assert library.add([titled], prune=True).renamed == 1
    (harbour,) = [one for one in library.documents() if one.path.endswith("port.txt")]
    assert fake_encoder.texts_seen - seen == harbour.chunks


@pytest.mark.parametrize("words", ["cay bahcesi", "cay-bahcesi", "cay-bahcesi.txt", "BAHCESI"])
def test_a_file_with_a_title_is_found_by_its_name(library: Library, titled: Path, words: str) -> None:
    library.add([titled])
    assert lexical_hits(library, words)[:1] == ["cay-bahcesi.txt"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Minutes_2041-final.txt", "minutes 2041"),
        ("AnnualReport2041.txt", "annual report 2041"),
        ("ПротоколСобрания.txt", "протокол собрания"),
        ("会议记录.txt", "会议记录"),
        ("AnnualReport2041.txt", "AnnualReport2041"),
        ("scan0007.txt", "scan 0007"),
    ],
)
def test_names_are_found_in_words_or_as_they_are(
    library: Library, documents: Path, name: str, words: str
) -> None:
    (documents / name).write_text(TITLED, encoding="utf-8")
    library.add([documents])
    assert lexical_hits(library, words)[:1] == [name]


def test_an_interrupted_renaming_is_done_again(
    open_library: Callable[..., Library], titled: Path, fake_store: Any
) -> None:
    library = open_library()
    library.add([titled])
    (titled / "harbour.txt").rename(titled / "port.txt")

    def fail(change: str) -> None:
        raise KeyboardInterrupt

    fake_store.before_change = fail
    with pytest.raises(KeyboardInterrupt):
        library.add([titled], prune=True)
    fake_store.before_change = None
    library = open_library()
    assert library.add([titled], prune=True).renamed == 1
    assert_as_if_new(library, titled, library)


def test_many_renamed_files_are_embedded_together(
    library: Library, tmp_path: Path, fake_encoder: Any
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.txt").write_text(f"It says {number}.", encoding="utf-8")
    library.add([folder])
    for path in folder.glob("*.txt"):
        path.rename(folder / f"page {path.name}")
    sizes: list[int] = []
    fake_encoder.before_encode = lambda texts: sizes.append(len(texts))
    assert library.add([folder], prune=True).renamed == 20
    assert sizes == [20]


def test_a_new_file_may_take_the_name_that_a_renamed_one_left(library: Library, documents: Path) -> None:
    library.add([documents])
    (documents / "harbour.txt").rename(documents / "a.txt")  # before the new one, in order
    (documents / "harbour.txt").write_text("Something new.", encoding="utf-8")
    report = library.add([documents], prune=True)
    assert (report.changed, report.added) == (1, 1)
    assert_as_if_new(library, documents, library)


def test_a_renamed_file_that_cannot_be_read_keeps_its_passages(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.errors import ReadError
    from indexer.ingest import read

    library.add([documents])
    (documents / "harbour.txt").rename(documents / "port.txt")

    def refuse(*_: Any, **__: Any) -> None:
        raise ReadError("port.txt took too long. Try again.")

    monkeypatch.setattr(read, "read_file", refuse)
    report = library.add([documents], prune=True)
    assert (report.renamed, report.failures) == (1, ())
    assert lexical_hits(library, "port") == ["port.txt"]
