"""PDF files written by hand: pages of drawing operators, fonts that show any character."""

from collections.abc import Sequence

LATIN = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
TO_UNICODE = (
    "/CIDInit /ProcSet findresource begin begincmap /CMapName /U def 1 begincodespacerange <0000> <FFFF> endcodespacerange "
    + "100 beginbfrange "
    + " ".join(
        f"<{high:02X}00> <{high:02X}FF> <{high:02X}00>" for high in range(0x100) if not 0xD8 <= high < 0xE0
    )
    + " endbfrange endcmap end"
)


def any_font() -> str:
    """A font whose codes are the characters; each is as wide as it is high, half as wide below U+2000."""
    widths = "/W[0 8191 500]"
    return (
        "<</Type/Font/Subtype/Type0/BaseFont/Any/Encoding/Identity-H/ToUnicode @UNICODE@/DescendantFonts[<</Type/Font/Subtype"
        "/CIDFontType2/BaseFont/Any/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 1000"
        f"{widths}/FontDescriptor<</Type/FontDescriptor/FontName/Any/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800/Descent -200"
        "/ItalicAngle 0/CapHeight 700/StemV 80>>>>]>>"
    )


VERTICAL = (
    "<</Type/Font/Subtype/Type0/BaseFont/HeiseiMin-W3-UniJIS-UTF16-V/Encoding/UniJIS-UTF16-V/DescendantFonts[<</Type/Font"
    "/Subtype/CIDFontType0/BaseFont/HeiseiMin-W3/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 4>>/DW 1000"
    "/FontDescriptor<</Type/FontDescriptor/FontName/HeiseiMin-W3/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 880"
    "/Descent -120/CapHeight 700/StemV 80>>>>]>>"
)
FONTS = {"F": LATIN, "U": any_font(), "V": VERTICAL}


def show(x: float, y: float, text: str, *, font: str = "F", size: float = 10, before: str = "") -> str:
    """Operators that draw a line of text at a place."""
    code = f"({text})" if font == "F" else f"<{text.encode('utf-16-be').hex()}>"
    return f"BT {before} /{font} {size} Tf {x} {y} Td {code} Tj ET\n"


def turned(x: float, y: float, text: str, matrix: str, *, font: str = "F", size: float = 10) -> str:
    """A line of text drawn in another direction; ``matrix`` is the first four numbers."""
    code = f"({text})" if font == "F" else f"<{text.encode('utf-16-be').hex()}>"
    return f"BT /{font} {size} Tf {matrix} {x} {y} Tm {code} Tj ET\n"


def lines(x: float, y: float, texts: Sequence[str], *, step: float = 14, **more: object) -> list[str]:
    """The operators of lines under each other."""
    return [show(x, y - step * at, text, **more) for at, text in enumerate(texts)]  # type: ignore[arg-type]


def pdf(
    *pages: str,
    page: str = "",
    catalog: str = "",
    info: str = "",
    box: str = "0 0 600 800",
    rotate: int = 0,
    objects: Sequence[str] = (),
    resources: str = "",
) -> bytes:
    """A file of these pages.

    Args:
        pages: the operators of each page.
        page, catalog, info, resources: further entries of these dictionaries.
        box, rotate: of every page.
        objects: further objects; the first has number 3, and ``page`` may refer to them.
    """
    parts: list[bytes] = [b"", b"", *(text.encode("latin-1") for text in objects)]

    def add(data: str | bytes) -> int:
        parts.append(data.encode("latin-1") if isinstance(data, str) else data)
        return len(parts)

    def stream(data: str, more: str = "") -> int:
        return add(f"<</Length {len(data.encode('latin-1'))}{more}>>stream\n{data}\nendstream")

    unicode = f"{stream(TO_UNICODE)} 0 R"
    fonts = " ".join(f"/{name} {add(font.replace('@UNICODE@', unicode))} 0 R" for name, font in FONTS.items())
    kids = []
    for operators in pages:
        content = stream(operators)
        kids.append(
            add(
                f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Rotate {rotate}/Resources<</Font<<{fonts}>>{resources}>>"
                f"/Contents {content} 0 R{page}>>"
            )
        )
    parts[0] = f"<</Type/Catalog/Pages 2 0 R{catalog}>>".encode("latin-1")
    parts[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]>>".encode()
    about = f"/Info {add(f'<<{info}>>')} 0 R" if info else ""
    out, places = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n"
        % (len(parts) + 1, table, len(parts) + 1, about.encode(), len(out))
    )
