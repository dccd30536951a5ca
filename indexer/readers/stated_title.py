"""Whether the title that a file's metadata states was given by a person or put there by a program."""

import re

_NOTHING = """about:blank null none empty default temp title no\\ title print print\\ preview untitled
    unbenannt ohne\\ titel sans\\ titre sans\\ nom sin\\ t[ií]tulo senza\\ titolo senza\\ nome sem\\ t[ií]tulo
    без\\ имени без\\ названия bez\\ tytułu naamloos namnlös
    無題 无标题 未命名 제목\\ 없음 بلا\\ عنوان ללא\\ כותרת"""
_KINDS = """untitled document dokument documento presentation präsentation présentation presentación book
    workbook mappe classeur libro sheet slide page drawing zeichnung publication 文档 文書 문서 документ
    презентация"""
_PROGRAMS = """word excel powerpoint publisher visio onenote outlook"""


def _any_of(words: str) -> str:
    return "|".join(re.split(r"(?<!\\)\s+", words.strip()))


_JUNK = re.compile(
    rf"{_any_of(_NOTHING)}"
    rf"|(?:new |blank )?(?:word |excel |pdf |text )?(?:{_any_of(_KINDS)})\s*-?\s*\d*"
    r"|powerpoint[ -](?:presentation|präsentation|présentation|プレゼンテーション)"
    r"|(?:présentation|presentación de|presentazione standard di|презентация) powerpoint"
    rf"|(?:microsoft (?:office )?|ms )?(?:{_any_of(_PROGRAMS)})(?: \d{{2,4}})?"
    r"|(?:libre|open)office(?:\.org)?(?: (?:writer|calc|impress|draw))?(?: [\d.]+)?"
    r"|adobe (?:acrobat|indesign|illustrator|pagemaker|framemaker|photoshop)(?: .{0,20})?"
    r"|(?:acrobat|indesign|quarkxpress|ghostscript)(?: .{0,20})?|pagemaker|framemaker|pdfcreator|google docs"
    r"|camscanner.*|(?:img|dsc|doc|scn|file|layout)[\s_-]?\d+|abbyy.{0,30}|crystal reports.{0,20}"
    r"|jasperreports|reportlab|wkhtmltopdf|itext|inkscape|scribus|coreldraw.{0,10}|canva|wordpad|notepad|textedit"
    r"|wps office|(?:pdf)?(?:la)?tex(?: output.*)?|scan(?:ned)?(?: (?:document|image))?[\s_-]*[\d_-]*",
    re.IGNORECASE,
)
_PROGRAM_PREFIX = re.compile(
    rf"(?:microsoft (?:office )?|ms )(?:{_any_of(_PROGRAMS)}|notepad)\s+[-–—]\s"
    r"|(?:libreoffice|openoffice(?:\.org)?|autocad|coreldraw|adobe \w+|quarkxpress)\s+[-–—:]\s",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\.(?:docx?|docm|dotx?|rtf|od[tsp]|pdf|p?tex|dvi|ps|indd|qxd|qxp|pptx?|xlsx?|xlsm|csv|txt|html?"
    r"|wpd|cdr|dwg|eps|vsd|png|jpe?g|tiff?|bmp)$|^[A-Za-z]:\\|^(?:file|https?)://",
    re.IGNORECASE,
)


def real_title(stated: str) -> str:
    """The stated title, on one line; nothing where it is the name of a program, a file or of nothing."""
    title = " ".join(stated.split())
    if _PROGRAM_PREFIX.match(title) or _FILE_NAME.search(title) or _JUNK.fullmatch(title):
        return ""
    return title if any(char.isalnum() for char in title) else ""
