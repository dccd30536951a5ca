"""Numbers and texts of workbook cells as their number format shows them.

Marks of thousands and decimals are ``,`` and ``.`` as in English.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction

from indexer.readers.date_format import show_date
from indexer.readers.format_code import Section, Token, sections_of

COMPARISONS = {
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "<>": lambda a, b: a != b,
}  # fmt: skip
MAX_DIGITS, MAX_DECIMALS = 11, 30


def show_text(text: str, code: str) -> str:
    """A text in its format, which may add words around it."""
    if "@" not in code:
        return text
    section = sections_of(code)[-1]
    if not section.has("mark", "@"):
        return text
    return "".join(
        text if token.text == "@" and token.kind == "mark" else token.text
        for token in section.tokens
        if token.kind in ("literal", "mark")
    ).strip()


def show_number(value: float, code: str, *, since_1904: bool = False) -> str:
    """A number in its format; as Excel writes plain numbers where the format makes no sense."""
    if not code or code.lower() == "general":
        return general(value)
    try:
        section, shown = _section_for(value, sections_of(code))
        if section.is_date:
            return show_date(value, section, since_1904=since_1904)
        return " ".join(_number(shown, section).split())
    except (ValueError, OverflowError, InvalidOperation, IndexError, ZeroDivisionError):
        return general(value)


def general(value: float) -> str:
    """A number without format: whole ones with all digits, others as far as a cell shows them."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if not 1e-4 <= abs(value) < 1e11:
        mantissa, _, exponent = f"{value:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    decimals = max(0, MAX_DIGITS - 1 - len(str(abs(int(value)))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def _section_for(value: float, sections: list[Section]) -> tuple[Section, float]:
    """The section that holds for a number, and the number as that section takes it."""
    numeric = [section for section in sections if not section.has("mark", "@")] or sections
    for section in numeric:
        if section.condition and COMPARISONS[section.condition[0]](value, section.condition[1]):
            return section, value
    free = [section for section in numeric if section.condition is None]
    if not free:
        return Section([Token("general", "General")]), value
    if len(free) < len(numeric):
        return free[0], value
    if value < 0 and len(free) > 1:
        return free[1], -value
    if value == 0 and len(free) > 2:
        return free[2], value
    return free[0], value


def _number(value: float, section: Section) -> str:
    tokens = section.tokens
    if section.has("general") or (section.has("mark", "@") and not section.has("digit")):  # @: as typed
        shown = general(abs(value))
        typed = Token("mark", "@")
        body = "".join(
            shown if t.kind == "general" or t == typed else t.text
            for t in tokens
            if t.kind in ("general", "literal") or t == typed
        )
        return f"-{body}" if value < 0 else body
    if not section.has("digit"):
        body = "".join(token.text for token in tokens if token.kind == "literal" or token.text in "%/@")
        return f"-{body}" if value < 0 and body.strip() else body
    number = abs(Decimal(repr(float(value)))) * (Decimal(100) ** sum(t == Token("mark", "%") for t in tokens))
    if section.has("mark", "/"):
        body = _fraction(number, tokens)
    elif section.has("exponent"):
        body = _scientific(number, tokens)
    else:
        body = _decimal(number, tokens)
    is_negative = value < 0 and any(char in "123456789" for char in body)
    return f"-{body}" if is_negative else body


def _decimal(number: Decimal, tokens: list[Token]) -> str:
    """Digits into their places from the right, literals between them."""
    point = next((at for at, token in enumerate(tokens) if token == Token("mark", ".")), len(tokens))
    places = [at for at, token in enumerate(tokens) if token.kind == "digit"]
    whole, part = [at for at in places if at < point], [at for at in places if at > point]
    last = max(places)
    after = 0
    while last + 1 + after < len(tokens) and tokens[last + 1 + after] == Token("mark", ","):
        after += 1
    if point > last and point < len(tokens):
        after = 0
    has_groups = bool(whole) and any(
        tokens[at] == Token("mark", ",") for at in range(whole[0], (whole[-1] if whole else 0))
    )
    decimals = min(len(part), MAX_DECIMALS)
    number = (number / Decimal(1000) ** after).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    digits, _, fraction = f"{number:f}".partition(".")
    filled = _place_whole(
        "" if digits == "0" else digits, [tokens[at].text for at in whole], groups=has_groups
    )
    keep = len(fraction)
    while keep and fraction[keep - 1] == "0" and tokens[part[keep - 1]].text in "#?":
        keep -= 1
    shown = dict(zip(whole, filled, strict=True))
    shown |= {at: fraction[n] if n < keep else "" for n, at in enumerate(part)}
    parts = []
    for at, token in enumerate(tokens):
        if token.kind == "digit":
            parts.append(shown[at])
        elif token.kind == "literal" or token.text == "%" or (at == point and (keep or not part)):
            parts.append(token.text)
    return "".join(parts)


def _place_whole(digits: str, places: list[str], *, groups: bool) -> list[str]:
    """What stands in each place for whole digits; the first one takes all that are left over."""
    filled: list[str] = []
    count = 0
    for at in range(len(places) - 1, -1, -1):
        here = ""
        take = digits if at == 0 else digits[-1:]
        digits = "" if at == 0 else digits[:-1]
        for digit in reversed(take or {"0": "0", "?": " "}.get(places[at], "")):
            here = digit + ("," if groups and count and count % 3 == 0 else "") + here
            count += 1
        filled.append(here)
    return filled[::-1]


def _scientific(number: Decimal, tokens: list[Token]) -> str:
    at = next(n for n, token in enumerate(tokens) if token.kind == "exponent")
    before, after = tokens[:at], tokens[at + 1 :]
    whole = sum(token.kind == "digit" for token in _until_point(before))
    step = max(whole, 1)
    exponent = 0 if not number else number.adjusted() // step * step if step > 1 else number.adjusted()
    mantissa = _decimal(number.scaleb(-exponent), before)
    width = sum(token.text == "0" for token in after if token.kind == "digit")
    sign = "-" if exponent < 0 else ("+" if tokens[at].text == "E+" else "")
    rest = "".join(token.text for token in after if token.kind == "literal")
    return f"{mantissa}E{sign}{abs(exponent):0{max(width, 1)}d}{rest}"


def _until_point(tokens: list[Token]) -> list[Token]:
    point = next((at for at, token in enumerate(tokens) if token == Token("mark", ".")), len(tokens))
    return tokens[:point]


def _fraction(number: Decimal, tokens: list[Token]) -> str:
    slash = tokens.index(Token("mark", "/"))
    below = "".join(t.text for t in tokens[slash + 1 :] if t.kind == "digit" or t.text.isdecimal())
    has_whole = any(
        token.kind == "digit" and any(t.text.isspace() for t in tokens[at:slash] if t.kind == "literal")
        for at, token in enumerate(tokens[:slash])
    )
    whole, rest = divmod(Fraction(number), 1) if has_whole else (0, Fraction(number))
    if below.isdecimal() and int(below):
        top, bottom = round(rest * int(below)), int(below)
    else:
        near = rest.limit_denominator(10 ** min(max(len(below), 1), 4) - 1)
        top, bottom = near.numerator, near.denominator
    if has_whole and top == bottom:
        whole, top = whole + 1, 0
    share = f"{top}/{bottom}" if top else ""
    return f"{whole or ''} {share}".strip() or "0"
