"""Characters of symbol fonts, which are stored as numbers that mean nothing without the font."""

_GREEK = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"
_LATER = "′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊"
_SYMBOL = (
    {at: chr(at) for at in range(0x20, 0x7F) if not chr(at).isalpha()}
    | {0x41 + at: letter for at, letter in enumerate(_GREEK)}
    | {0x61 + at: letter for at, letter in enumerate("αβχδεφγηιϕκλμνοπθρστυϖωξψζ")}
    | {0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0x5C: "∴", 0x5E: "⊥", 0x7E: "∼"}
    | {0xA2 + at: sign for at, sign in enumerate(_LATER)}
    | {0xA0: "€", 0xE5: "∑", 0xF2: "∫"}
)
_WINGDINGS = (
    {0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x76: "❖"}
    | {0xA7: "▪", 0xA8: "◻", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨"}
    | {0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑", 0x80: "⓪"}
    | {0x80 + number: chr(0x245F + number) for number in range(1, 11)}
)
_WINGDINGS_2 = {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x30: "☐", 0xA3: "☐"}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2}
PRIVATE = 0xF000


def symbol(font: str, code: str) -> str:
    """The character that a hexadecimal code shows in a font; nothing where that is not known."""
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    return symbol_of(font, number)


def symbol_of(font: str, number: int) -> str:
    """Like ``symbol``, for a number."""
    table = _FONTS.get(font.strip().lower())
    low = number - PRIVATE if PRIVATE <= number <= PRIVATE + 0xFF else number
    if table is not None and low <= 0xFF:
        return table.get(low, "")
    if 0xE000 <= number <= 0xF8FF:  # a private character of a font that is not known
        return chr(low) if 0x20 <= low < 0x7F and "dings" not in font.lower() else ""
    return chr(number) if 0x20 <= number < 0x110000 and not 0xD800 <= number <= 0xDFFF else ""
