"""Titles that people gave, and those that programs left."""

import pytest

from indexer.readers.stated_title import real_title


@pytest.mark.parametrize(
    "title",
    [
        "Microsoft Word - report", "Microsoft PowerPoint – Talk", "untitled", "Untitled 3", "Document1", "Dokument 2", "ohne Titel", "无标题",
        "без имени", "PowerPoint Presentation", "Présentation PowerPoint", "Slide 1", "report final.docx", "C:\\docs\\x", "file:///tmp/x.html",
        "Adobe InDesign CS6", "LibreOffice Writer", "TeX output 2003.01.02", "Scan_2024-03-05", "CamScanner 03-05", "Acrobat Document", "...", "",
    ],
)  # fmt: skip
def test_what_a_program_put_there_is_no_title(title: str) -> None:
    assert real_title(title) == ""


@pytest.mark.parametrize(
    "title",
    ["Nets and ropes", "A word about Excel", "Untitled poems of 1920", "Document retention rules", "Slide rules in navigation", "Word - a history", "Ποίηση", "文書管理の手引き", "1984"],
)  # fmt: skip
def test_what_a_person_wrote_is_one(title: str) -> None:
    assert real_title(f"  {title}\n") == title
