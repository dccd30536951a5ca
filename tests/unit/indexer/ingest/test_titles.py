"""Titles from the content: the file's own, the first heading, the first line; junk and running text are none."""

import pytest

from indexer.ingest.titles import MAX_WIDTH, find_title, width
from indexer.types import Block

TEXT = "The ferry leaves at noon and comes back in the evening. It takes bicycles."
PARAGRAPH = "The ferry leaves at noon and comes back in the evening. " * 5


def title(
    text: str, file_type: str = "txt", *, stated: str = "", section: str | None = None, is_log: bool = False
) -> str:
    return find_title(stated, [Block(text, 0, section=section)], file_type, is_log=is_log)


def test_the_order_is_own_title_heading_first_line() -> None:
    text = f"First line\n\n{TEXT}\n"
    assert title(text, "md", stated="Own", section="Heading") == "Own"
    assert title(text, "md", section="Heading › Below") == "Heading"
    assert title(text, "md") == "First line"


@pytest.mark.parametrize(
    "line",
    [
        "Çay bahçesi",
        "Lotsen an der Brake: ein Tag auf Station drei",
        "التطعيم ضد الحصبة: ما ينبغي أن يعرفه الوالدان",
        "فريق «نوارس الميناء» للسيدات",
        "云顶村的高山茶",
        "白根岳観測所の日誌より",
        "강변 자전거길 안내",
        "ค่ายดูดาวบนดอยผาขวาง",
        "វិទ្យាល័យ",
        "የእንጀራ አዘገጃጀት በወይዘሮ አልማዝ ቤት",
        "रामनगर स्टेशन की चाय",
        "თონის პური სოფელ ხევისუბანში",
        "Reikäleipä ja orsi",
        "Apollo 11",
        "Haushalt 2025",
        "Почтовый поезд номер 374",
        "第3章 春",
        "Six",
        "1. Introduction",
        "Report 2024-2025",
    ],
)  # fmt: skip
def test_a_short_first_line_is_the_title_in_every_script(line: str) -> None:
    assert title(f"\ufeff\n{line}  \n\n{TEXT}\n") == line
    assert title(f"{line}\n{PARAGRAPH}\n") == line, "an unwrapped paragraph follows"
    assert title(f"{line}\n{TEXT}\n", "docx") == line


@pytest.mark.parametrize(
    "line",
    [
        TEXT,
        "The ferry leaves at noon, and in the evening",  # before a line that goes on in small letters
        "烤面包之前，面团要发酵一整夜。",
        "تفتح المكتبة في الساعة التاسعة صباحا.",
        "पुस्तकालय नौ बजे खुलता है।",
        "Dear members,",
        "Ingredients:",
        "words " * 30,
        "春" * 50,
        "ـتفتح المكتبة " * 8,
        "ก" * 70,
        "https://example.org/page",
        "See www.example.org",
        "someone@example.org",
        "notes/2024/harbour.txt",
        "C:\\Texts\\harbour.txt",
        "2024-02-14",
        "14.02.2024",
        "14. Februar 2024",
        "Montag, 12. Mai 2025",
        "May 12, 2024",
        "14 de febrero de 2024",
        "14 февраля 2024 г.",
        "令和六年二月十四日",
        "2024年2月14日",
        "2024-02-14 10:22:01 server started",
        "[10:22:01] server started",
        "12",
        "- 3 -",
        "Page 3",
        "Seite 3 von 10",
        "p. xiv",
        "第 3 页",
        "xiv",
        "From: Ana",
        "Subject: The ferry",
        "title: The ferry",
        "X-Mailer: none",
        "---",
        "* * *",
        "!!!",
        "- an item",
        "— Bonjour",
        "#!/bin/sh",
        "import os; main()",
        "<html lang='en'>",
        "{{title}}",
        "| a | b |",
        "Copyright 2024 The authors",
        "8472 9911 0042 k",
    ],
)  # fmt: skip
def test_running_text_and_junk_are_no_title(line: str) -> None:
    following = "or at night." if line.startswith("The ferry leaves at noon, and") else TEXT
    for file_type in ("txt", "md", "docx", "html"):
        assert title(f"{line}\n\n{following}\n", file_type) == ""


def test_a_wrapped_paragraph_has_no_title_in_its_first_line() -> None:
    assert title("The ferry leaves at noon and comes back\nIn the evening. It takes bicycles.\n") == ""
    assert title("The ferry leaves at noon and comes back\n\nin the evening, line by line.\n") == ""


def test_a_script_without_capitals_goes_on_in_small_letters() -> None:
    assert title("თონის პური\n\nსოფელ ხევისუბანში პურს დღემდე თონეში აცხობენ.\n") == "თონის პური"


def test_a_line_that_nothing_follows_is_the_text_itself() -> None:
    assert title("Harbour") == title("Harbour\n\n\n") == title("Harbour\n=====\n") == ""
    assert title("") == title("\n \n") == ""


def test_a_page_may_begin_with_a_menu() -> None:
    assert title(f"Home\nNews\nContact\n{TEXT}\n", "html") == ""
    assert title(f"The ferry\n{TEXT}\n", "html") == "The ferry"


def test_fields_of_a_form_are_no_title() -> None:
    assert title("An: Frau Harms\nVon: Herr Brandt\n", "docx") == ""
    assert title(f"Fähre: ein Tag\n{TEXT}\n", "docx") == "Fähre: ein Tag"


@pytest.mark.parametrize("file_type", ["pdf", "csv", "tsv", "jsonl", "json", "xlsx", "srt", "vtt", "eml"])
def test_formats_without_a_first_line_keep_what_their_reader_says(file_type: str) -> None:
    assert title(f"First line\n\n{TEXT}\n", file_type, section="row 1") == ""
    assert title(f"First line\n\n{TEXT}\n", file_type, stated="Own") == "Own"


def test_a_log_has_no_title() -> None:
    assert title(f"Server started\n\n{TEXT}\n", is_log=True) == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# The **ferry** ##", "The ferry"),
        ("**The ferry**", "The ferry"),
        ("*The* `ferry` of _Port Ellary_", "The ferry of Port Ellary"),
        ("snake_case and more", "snake_case and more"),
        ("=== The ferry ===", "The ferry"),
        ("The [ferry](https://example.org) to [Port][1]", "The ferry to Port"),
        ('<h1 align="center">The ferry</h1>', "The ferry"),
        ("The  ferry\t to Port", "The ferry to Port"),
        ("```python", ""),
        ("* an item", ""),
        ("![logo](logo.png)", ""),
    ],
)
def test_marks_are_not_part_of_a_title(line: str, expected: str) -> None:
    assert title(f"{line}\n\n{TEXT}\n", "md") == expected


def test_marks_of_a_stated_title_are_dropped_and_its_words_kept() -> None:
    assert (
        title(TEXT, "md", stated='<img src="x.png"> The **ferry** [map](http://a.b/c) {#top}')
        == "The ferry map"
    )
    assert title(TEXT, "html", stated=" C**  and\nD ") == "C** and D"
    assert title(f"The ferry\n\n{TEXT}", "md", stated="![logo](logo.png)") == "The ferry"
    assert title(TEXT, "epub", stated="1984") == "1984"


def test_an_underlined_first_line_is_a_title() -> None:
    assert title(f"The ferry\n=========\n{TEXT}\n") == "The ferry"
    assert title(f"=========\nThe ferry\n=========\n{TEXT}\n") == "The ferry"


def test_a_heading_counts_only_near_the_start() -> None:
    late = [Block("x" * 5000, 0), Block("b", 5000, section="Late")]
    assert find_title("", late, "md") == ""
    assert find_title("", [Block("Some words.\n", 0), Block("b", 12, section="Soon")], "md") == "Soon"
    assert title(TEXT, "md", section="2024-02-14") == "", "junk is no better as a heading"


def test_width_counts_what_is_read() -> None:
    assert width("ferry") == 5
    assert width("春") == 3
    assert width("รู้") == width("ร") == 2, "marks count nothing"
    assert width("مكتبة") == 7.5
    assert width("春" * 40) == MAX_WIDTH


def test_long_lines_of_odd_characters_take_no_time() -> None:
    for odd in ("a@" * 2000, "[" * 4000, "# " * 2000, "\\" * 4000, "1 " * 2000):
        assert title(f"{odd}\n\n{TEXT}\n", "md") == ""
