"""Tables: every value with the name of its column, whatever the quotation marks."""

import pytest

from tests.support.reading import read, text_of, warnings_of


def test_every_column_is_read_with_its_name() -> None:
    table = "Boat,Berth,Owner\nSwan,12,Ada\nHeron,,Ola\n"
    assert read("a.csv", table)[0] == [
        ("Boat: Swan\nBerth: 12\nOwner: Ada\n", "row 2"),
        ("Boat: Heron\nOwner: Ola\n", "row 3"),
    ]
    assert text_of("a.tsv", table.replace(",", "\t")) == text_of("a.csv", table)
    assert text_of("a.csv", table.replace(",", ";")) == text_of("a.csv", table)
    assert text_of("a.csv", "sep=|\n" + table.replace(",", "|")) == text_of("a.csv", table)


def test_titles_and_texts_come_first_and_no_column_is_lost() -> None:
    table = "id,text,title,berth\n7,Rents in June,Swan,12\n"
    assert text_of("a.csv", table) == "Swan\nRents in June\nid: 7\nberth: 12\n"


@pytest.mark.parametrize(
    "table",
    [
        "The gate is closed.,La porte est close.\nThe mill is open.,Le moulin est ouvert.\n",
        "Swan,Ada\nHeron,Ola\nSwan,Eve\n",
        "12,Ada\n14,Ola\n",
        "Ada,ada@example.org\nOla,ola@example.org\n",
    ],
)
def test_a_first_row_of_values_names_nothing(table: str) -> None:
    assert text_of("a.csv", table) == table.replace(",", " | ")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Town,2024,2025", "Weir,310,295"),
        ("No.,Qty.,Item", "1,2,Oar"),
        ("Are you a member?,How old is your boat?", "yes,12"),
        ("town,Price in €", "Weir,12.50"),
    ],
)
def test_years_short_forms_and_questions_may_name_columns(header: str, row: str) -> None:
    lines = "".join(f"{name}: {cell}\n" for name, cell in zip(header.split(","), row.split(","), strict=True))
    assert text_of("a.csv", f"{header}\n{row}\n") == lines


def test_years_that_are_values_name_nothing() -> None:
    assert text_of("a.csv", "Ada,1984\nOla,1991\n") == "Ada | 1984\nOla | 1991\n"


def test_two_columns_of_words_in_a_tsv_are_values() -> None:
    assert text_of("a.tsv", "wheel\troue\nweir\tbarrage\n") == "wheel | roue\nweir | barrage\n"
    assert text_of("a.tsv", "word\tcount\nweir\t3\n") == "word: weir\ncount: 3\n"


def test_lines_above_the_header_are_read() -> None:
    table = "Boats of 2026\n\nBoat,Berth,Owner\nSwan,12,Ada\nHeron,14,Ola\n"
    assert text_of("a.csv", table) == (
        "Boats of 2026\nBoat: Swan\nBerth: 12\nOwner: Ada\nBoat: Heron\nBerth: 14\nOwner: Ola\n"
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('"Swan,12,Ada', "Boat: Swan\nBerth: 12\nOwner: Ada\n"),
        ('Swan "the old,12,Ada', 'Boat: Swan "the old\nBerth: 12\nOwner: Ada\n'),
        ('Swan,"12,Ada', "Boat: Swan\nBerth: 12\nOwner: Ada\n"),
        ('"Swan" II,12,Ada', "Boat: Swan II\nBerth: 12\nOwner: Ada\n"),
        ('Swan,5",Ada', 'Boat: Swan\nBerth: 5"\nOwner: Ada\n'),
        ('"Swan, ""II""",12,Ada', 'Boat: Swan, "II"\nBerth: 12\nOwner: Ada\n'),
        ('"Swan\nand more",12,Ada', "Boat: Swan\nand more\nBerth: 12\nOwner: Ada\n"),
    ],
)
def test_a_stray_quotation_mark_spoils_one_row_at_most(row: str, text: str) -> None:
    rest = "".join(f"Heron {n},{n},Ola\n" for n in range(300))
    table = f"Boat,Berth,Owner\n{row}\n{rest}"
    pieces, _ = read("a.csv", table)
    assert pieces[0][0] == text
    assert len(pieces) == 301 and pieces[-1][0] == "Boat: Heron 299\nBerth: 299\nOwner: Ola\n"


def test_stray_marks_are_told() -> None:
    table = "Boat,Berth,Owner\n" + '"Swan,1,Ada\nHeron,2,Ola\n' * 7
    assert warnings_of("a.csv", table) == [
        "a quotation mark without a partner stands in row 2, 4, 6, 8, 10, …; the row was read as it is"
    ]
    assert len(read("a.csv", table)[0]) == 14


def test_a_header_alone_is_read() -> None:
    assert text_of("a.csv", "Boat,Berth,Owner\n") == "Boat | Berth | Owner\n"


def test_rows_wider_than_the_header_keep_their_cells() -> None:
    assert text_of("a.csv", "Boat,Berth,Owner\nSwan,12,Ada,spare\nHeron,1,Ola\n").startswith(
        "Boat: Swan\nBerth: 12\nOwner: Ada\nspare\n"
    )


def test_logs_are_read_without_codes_of_terminals() -> None:
    log = (
        "\x1b[31mERROR\x1b[0m pump \x1b[1;4m7\x1b[m\n\x1b]0;title\x07done \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"
        "\x1b(B\x1b[2K\x1b[?25lidle\nN\bNA\bAME _\bu_\bp\n"
    )
    assert text_of("a.log", log) == "ERROR pump 7\ndone link\nidle\nNAME up\n"
