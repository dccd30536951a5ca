"""Numbers, dates and texts of workbook cells as their number format shows them.

Marks of thousands and decimals are ``,`` and ``.``, names of months and days English. Formats that follow the
settings of the reader's computer, and names of other languages, give dates as 2026-03-05; after a date in any
other form that form follows in parentheses, because 05/03/2026 is two days. Midnight after a date is left
out: spreadsheets have it where only a date was meant.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache, partial

BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "$#,##0", 6: "$#,##0", 7: "$#,##0.00", 8: "$#,##0.00",
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy",
    16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    41: "#,##0;-#,##0;-", 42: "$#,##0;-$#,##0;-", 43: "#,##0.00;-#,##0.00;-", 44: "$#,##0.00;-$#,##0.00;-",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
EAST_ASIAN_DATES = (*range(27, 37), *range(50, 59))
TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<blank>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<half>AM/PM|A/P|上午/下午|午前/午後)|(?P<exponent>E[+-])"
    r"|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+|[eE]+|[gG]+|[bB]+|[aA]{3,4})|(?P<digit>[0#?])|(?P<mark>[.,%/@])|(?P<other>.)",
    re.DOTALL,
)
CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+)$")
CURRENCY = re.compile(r"\$([^-]*)(?:-([0-9A-Fa-f]+))?$")
ELAPSED = re.compile(r"(?i)(h+|m+|s+)$")
COMPARISONS = {
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "<>": lambda a, b: a != b,
}  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SYSTEM_DATE, SYSTEM_TIME = 0xF800, 0xF400
ENGLISH = 0x09
MAX_DIGITS, MAX_DECIMALS = 11, 30
LAST_DAY = 2_958_466  # the day after 9999-12-31


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


@dataclass
class Section:
    """One of the up to four parts of a format."""

    tokens: list[Token] = field(default_factory=list)
    condition: tuple[str, float] | None = None
    language: int = 0

    @property
    def is_date(self) -> bool:
        return any(token.kind in ("date", "elapsed") for token in self.tokens)

    def has(self, kind: str, text: str = "") -> bool:
        return any(token.kind == kind and text in ("", token.text) for token in self.tokens)


def code_of(number: int, custom: dict[int, str]) -> str:
    """The format code of a format id; codes of the file come first."""
    if number in custom:
        return custom[number]
    return "yyyy-mm-dd" if number in EAST_ASIAN_DATES else BUILT_IN.get(number, "General")


def show_text(text: str, code: str) -> str:
    """A text in its format, which may add words around it."""
    if "@" not in code:
        return text
    section = _sections(code)[-1]
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
        section, shown = _section_for(value, _sections(code))
        if section.is_date:
            return _date(value, section, since_1904=since_1904)
        return " ".join(_number(shown, section).split())
    except (ValueError, OverflowError, InvalidOperation, IndexError, ZeroDivisionError):
        return general(value)


def is_date_code(code: str) -> bool:
    """Whether numbers in this format are dates or times."""
    return _sections(code)[0].is_date


def day_of(value: float, *, since_1904: bool = False) -> datetime:
    """The moment that a serial number stands for, to the millisecond.

    Raises:
        ValueError: there is no such day.
    """
    if not 0 <= value < LAST_DAY:
        raise ValueError(f"no day {value}")
    if since_1904:
        start = datetime(1904, 1, 1)
    else:
        start = (
            datetime(1899, 12, 30) if value >= 60 else datetime(1899, 12, 31)
        )  # the 1900 that was a leap year
    return start + timedelta(milliseconds=round(value * 86_400_000))


def general(value: float) -> str:
    """A number without format: whole ones with all digits, others as far as a cell shows them."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if not 1e-4 <= abs(value) < 1e11:
        mantissa, _, exponent = f"{value:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    decimals = max(0, MAX_DIGITS - 1 - len(str(abs(int(value)))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=512)
def _sections(code: str) -> list[Section]:
    sections = [Section()]
    for match in TOKEN.finditer(code[:1000]):
        kind = match.lastgroup or "other"
        text = match[kind]
        if kind == "other" and text == ";":
            sections.append(Section())
        elif kind == "bracket":
            _bracket(sections[-1], text)
        elif kind == "fill":
            continue
        elif kind == "blank":
            sections[-1].tokens.append(Token("literal", " "))
        elif kind in ("quoted", "escaped", "other"):
            sections[-1].tokens.append(Token("literal", text))
        else:
            sections[-1].tokens.append(Token(kind, text))
    return sections[:4]


def _bracket(section: Section, text: str) -> None:
    if condition := CONDITION.match(text):
        section.condition = (condition[1], float(condition[2]))
    elif currency := CURRENCY.match(text):
        section.language = int(currency[2][-8:], 16) if currency[2] else section.language
        section.tokens.append(Token("literal", currency[1]))
    elif ELAPSED.match(text):
        section.tokens.append(Token("elapsed", text.lower()))


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
    if section.has("general"):
        shown = general(abs(value))
        body = "".join(
            shown if t.kind == "general" else t.text for t in tokens if t.kind in ("general", "literal")
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


def _date(value: float, section: Section, *, since_1904: bool) -> str:
    language = section.language & 0xFFFF
    moment = day_of(value, since_1904=since_1904) if not section.has("elapsed") else datetime(1900, 1, 1)
    letters = "".join(token.text.lower() for token in section.tokens if token.kind == "date")
    named = any(
        token.kind == "date" and token.text.lower()[:3] in ("mmm", "ddd", "aaa") for token in section.tokens
    )
    has_day = any(letter in letters for letter in "yde") or named
    has_time = "h" in letters or "s" in letters
    if language == SYSTEM_DATE or (named and language and language & 0xFF != ENGLISH):
        return moment.strftime("%Y-%m-%d" + (" %H:%M" if has_time and value % 1 else ""))
    if language == SYSTEM_TIME:
        return moment.strftime("%H:%M:%S")
    tokens = list(section.tokens)
    if has_day and has_time and not value % 1:
        tokens = _without_time(tokens)
    if _finest(tokens) == "s" and not any(token.kind == "digit" for token in tokens):
        moment += timedelta(milliseconds=500)
    parts = [_date_part(tokens, at, moment, value) for at in range(len(tokens))]
    shown = " ".join("".join(parts).split())
    iso = moment.strftime("%Y-%m-%d")
    is_whole_date = {"y", "d"} <= set(letters) and (
        named or any(map(partial(_is_month, tokens), range(len(tokens))))
    )
    return f"{shown} ({iso})" if is_whole_date and iso not in shown else shown


def _is_month(tokens: list[Token], at: int) -> bool:
    token = tokens[at]
    return token.kind == "date" and token.text[0] in "mM" and not _is_minutes(tokens, at)


def _finest(tokens: list[Token]) -> str:
    return (
        "s"
        if any(token.text[:1].lower() == "s" for token in tokens if token.kind in ("date", "elapsed"))
        else ""
    )


def _without_time(tokens: list[Token]) -> list[Token]:
    """The tokens up to the time of day that ends a format."""
    for at, token in enumerate(tokens):
        if token.kind == "date" and token.text[0] in "hH":
            before = tokens[:at]
            if any(t.kind == "date" and t.text[0] in "yYdD" for t in tokens[at:]):
                return tokens
            while before and before[-1].kind == "literal" and not before[-1].text.strip(" T,-"):
                before.pop()
            return before
    return tokens


def _date_part(tokens: list[Token], at: int, moment: datetime, value: float) -> str:
    token = tokens[at]
    text = token.text.lower()
    if token.kind == "elapsed":
        seconds = round(value * 86_400)
        whole = {"h": seconds // 3600, "m": seconds // 60, "s": seconds}[text[0]]
        return f"{whole:0{len(text)}d}"
    if token.kind == "half":
        first, second = token.text.split("/")
        return first if moment.hour < 12 else second
    if token.kind == "digit":
        is_fraction = at > 0 and tokens[at - 1].text in (".", "0")
        digit = sum(1 for t in tokens[:at] if t.kind == "digit")
        return f"{moment.microsecond:06d}"[digit : digit + 1] if is_fraction else ""
    if token.kind == "mark":
        is_split = text == "." and not (at + 1 < len(tokens) and tokens[at + 1].kind == "digit")
        return "." if text == "." or is_split else (text if text in ",/" else "")
    if token.kind != "date":
        return token.text if token.kind == "literal" else ""
    elapsed = any(t.kind == "elapsed" for t in tokens)
    clock = datetime(1900, 1, 1) + timedelta(seconds=round(value * 86_400)) if elapsed else moment
    has_halves = any(t.kind == "half" for t in tokens)
    if text[0] == "m" and _is_minutes(tokens, at):
        return f"{clock.minute:0{min(len(text), 2)}d}"
    if text[0] == "h":
        return f"{(clock.hour - 1) % 12 + 1 if has_halves else clock.hour:0{min(len(text), 2)}d}"
    if text[0] == "s":
        return f"{clock.second:0{min(len(text), 2)}d}"
    return _day_part(text, moment)


def _day_part(text: str, moment: datetime) -> str:
    width = len(text)
    if text[0] in "ye":
        return f"{moment.year % 100:02d}" if text[0] == "y" and width < 3 else f"{moment.year:04d}"
    if text[0] == "m":
        name = MONTHS[moment.month - 1]
        return f"{moment.month:0{width}d}" if width < 3 else {3: name[:3], 5: name[0]}.get(width, name)
    if text[0] in "da":
        name = DAYS[moment.weekday()]
        return f"{moment.day:0{width}d}" if width < 3 else name[:3] if width == 3 else name
    return ""  # names of eras


def _is_minutes(tokens: list[Token], at: int) -> bool:
    """``m`` is minutes after hours or before seconds."""
    units = [n for n, t in enumerate(tokens) if t.kind in ("date", "elapsed")]
    here = units.index(at)
    before = tokens[units[here - 1]].text[0].lower() if here else ""
    after = tokens[units[here + 1]].text[0].lower() if here + 1 < len(units) else ""
    return len(tokens[at].text) < 3 and (before == "h" or after == "s")
