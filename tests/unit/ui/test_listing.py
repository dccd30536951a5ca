"""A page of the table that the catalog makes is the one that the whole list would give."""

import random
from pathlib import Path
from typing import Any, get_args

import pytest

from indexer.catalog import Catalog, DocumentRecord
from indexer.types import DocumentInfo
from ui import formatting as fmt
from ui import markup_library as markup

TITLES = ("Äpfel", "apple", "Zebra", "zebra", "ΣΊΣΥΦΟΣ", "", "50%_x", "海", "Straße", "STRASSE")
LANGUAGES = ("de", "fr", "ja", "und", "zh-Hant", "xx")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened = Catalog.open(tmp_path_factory.mktemp("listing") / "catalog.sqlite3")
    made = opened.collections.create(
        "library", model="fake", contract="{}", contract_digest="0" * 16, dimension=3, created_at=5.0
    )
    rng = random.Random(5)
    records, languages = [], {}
    for number in range(300):
        path = f"/Docs {rng.randrange(9)}/Über-{number}.txt"
        records.append(
            DocumentRecord(
                f"{number:036d}", made.id, path, path, rng.choice(TITLES), rng.choice(("pdf", "txt")),
                rng.randrange(40), 1, float(rng.randrange(50)), "h", None, 1,
                warnings=("no layer",) * (number % 7 == 0),
            )
        )  # fmt: skip
        chosen = rng.sample(LANGUAGES, rng.randrange(1, 5))
        languages[records[-1].id] = {code: rng.randrange(1, 4) for code in chosen}
    opened.documents.add_finished(records, languages)
    for number in (3, 40, 41):
        opened.documents.give_up_pass(records[number].id, "broken")
    yield opened
    opened.close()


def sorted_by(document: DocumentInfo, key: markup.SortKey) -> tuple[Any, str]:
    values = {
        "title": "",
        "languages": fmt.languages(document.languages),
        "passages": document.chunks,
        "size": document.size_bytes,
        "added": document.added_at,
        "state": document.state,
    }
    return values[key], (document.title or document.path).casefold()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", get_args(markup.SortKey))
@pytest.mark.parametrize(
    "words",
    ["", "german", "ready", "warn", "be read", "ÜBER- 1", "strasse txt", "%", "海", "japanese pdf", "xyz"],
)
def test_a_page_is_the_beginning_of_the_list(
    catalog: Catalog, words: str, key: markup.SortKey, descending: bool
) -> None:
    collection = catalog.collections.infos()[0]
    whole = markup.select_documents(catalog.documents.infos(collection.id), words, key, descending=descending)
    page = catalog.listing.page(
        collection.id,
        markup.filter_words(words, collection.languages),
        markup.order_of(key, descending=descending),
        limit=70,
    )
    assert [sorted_by(one, key) for one in page.documents] == [sorted_by(one, key) for one in whole[:70]]
    assert {one.id for one in page.documents} <= {one.id for one in whole}
    assert (page.matching, page.warned) == (len(whole), sum(bool(one.warnings) for one in whole))
    assert (len(whole) == 0) == (words == "xyz")


def test_a_page_of_the_table_says_what_is_left(catalog: Catalog, tmp_path: Path) -> None:
    collection = catalog.collections.infos()[0]
    order = markup.order_of("added", descending=True)
    page = catalog.listing.page(collection.id, [], order, limit=70)
    html = markup.page_table(page, collection.documents)
    assert html.count("<tr class=") == 70 and "230 more" in html and "43 documents with warnings" in html
