"""Dates and times of workbook cells, stored as numbers of days, as their format shows them.

Names of months and days are English. Formats that follow the settings of the reader's computer, and names of
other languages, give dates as 2026-03-05; after a date in any other form that form follows in parentheses,
because 05/03/2026 is two days. Midnight after a date is left out: spreadsheets have it where only a date was
meant.
"""

from datetime import datetime, timedelta
from functools import partial

from indexer.readers.format_code import Section, Token

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SYSTEM_DATE, SYSTEM_TIME = 0xF800, 0xF400
ENGLISH = 0x09
LAST_DAY = 2_958_466  # the day after 9999-12-31


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


def serial_of(text: str, *, since_1904: bool = False) -> float | None:
    """The serial number of a date written as ISO 8601, as strict files have them; nothing for other texts."""
    try:
        moment = datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        return None
    days = (moment - (datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30))) / timedelta(days=1)
    return days if days >= 60 or since_1904 else max(days - 1, 0.0)


def show_date(value: float, section: Section, *, since_1904: bool) -> str:
    """A number of days in a section of its format.

    Raises:
        ValueError: there is no such day.
    """
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
