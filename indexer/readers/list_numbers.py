"""Numbers of list items and headings as word processors write them, in the numerals of many scripts."""

from collections.abc import Callable

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщыэюя"
_KANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
_IROHA = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン"
_GANADA = "가나다라마바사아자차카타파하"
_CHOSUNG = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_ABJAD = "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ"
_ALPHA = "أبتثجحخدذرزسشصضطظعغفقكلمنهوي"
_HEBREW = "אבגדהוזחטיכלמנסעפצקרשת"
_THAI = "กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ"
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_HAN = "〇一二三四五六七八九"
_LARGE_ROMAN = 100_000


def number_text(value: int, form: str) -> str:
    """``value`` written in ``form``, a numbering format of Office Open XML or ODF; unknown ones in digits."""
    write = _FORMS.get(form)
    return write(value) if write is not None and value > 0 else str(value)


def _roman(value: int) -> str:
    if value >= _LARGE_ROMAN:
        return str(value)
    parts = []
    for size, letters in _ROMAN:
        parts.append(letters * (value // size))
        value %= size
    return "".join(parts)


def _letters(alphabet: str) -> Callable[[int], str]:
    """a ... z, aa, bb, ... as word processors go on."""

    def write(value: int) -> str:
        times, at = divmod(value - 1, len(alphabet))
        return alphabet[at] * min(times + 1, 20)

    return write


def _cycle(signs: str) -> Callable[[int], str]:
    return lambda value: signs[(value - 1) % len(signs)]


def _digits(zero: int) -> Callable[[int], str]:
    return lambda value: "".join(chr(zero + int(digit)) for digit in str(value))


def _ordinal(value: int) -> str:
    tens = value % 100
    ending = "th" if 10 < tens < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def _han_digits(value: int) -> str:
    return "".join(_HAN[int(digit)] for digit in str(value))


def _han(value: int) -> str:
    """Chinese and Japanese counting below ten thousand: 十二, 一百二十."""
    if value >= 10_000:
        return _han_digits(value)
    parts: list[str] = []
    gap = False
    for size, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, value = divmod(value, size)
        if not digit:
            gap = bool(parts)
            continue
        if gap:
            parts.append("零")
        gap = False
        is_plain_ten = size == 10 and digit == 1 and not parts
        parts.append(("" if is_plain_ten else _HAN[digit]) + sign)
    return "".join(parts)


def _hebrew(value: int) -> str:
    """Hebrew numerals below a thousand."""
    if value >= 1000:
        return str(value)
    signs = []
    for size, sign in ((400, "ת"), (300, "ש"), (200, "ר"), (100, "ק")):
        signs.append(sign * (value // size))
        value %= size
    if value in (15, 16):  # not the letters of the name of God
        return "".join(signs) + ("טו" if value == 15 else "טז")
    tens, ones = divmod(value, 10)
    return "".join(signs) + ("", *"יכלמנסעפצ")[tens] + ("", *"אבגדהוזחט")[ones]


def _circled(value: int) -> str:
    return chr(0x245F + value) if value <= 20 else str(value)


_FORMS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda value: f"{value:02d}",
    "upperRoman": lambda value: _roman(value).upper(),
    "I": lambda value: _roman(value).upper(),
    "lowerRoman": _roman,
    "i": _roman,
    "upperLetter": _letters(_LATIN.upper()),
    "A": _letters(_LATIN.upper()),
    "lowerLetter": _letters(_LATIN),
    "a": _letters(_LATIN),
    "ordinal": _ordinal,
    "numberInDash": lambda value: f"- {value} -",
    "decimalEnclosedCircle": _circled,
    "decimalEnclosedCircleChinese": _circled,
    "decimalEnclosedParen": lambda value: f"({value})",
    "decimalEnclosedFullstop": lambda value: f"{value}.",
    "decimalFullWidth": _digits(0xFF10),
    "russianLower": _letters(_RUSSIAN),
    "russianUpper": _letters(_RUSSIAN.upper()),
    "chineseCounting": _han,
    "chineseCountingThousand": _han,
    "taiwaneseCounting": _han,
    "taiwaneseCountingThousand": _han,
    "japaneseCounting": _han,
    "一, 二, 三, ...": _han,
    "ideographDigital": _han_digits,
    "japaneseDigitalTenThousand": _han_digits,
    "taiwaneseDigital": _han_digits,
    "ideographTraditional": _cycle(_STEMS),
    "ideographZodiac": _cycle(_BRANCHES),
    "aiueoFullWidth": _cycle(_KANA),
    "aiueo": _cycle(_KANA),
    "irohaFullWidth": _cycle(_IROHA),
    "iroha": _cycle(_IROHA),
    "ganada": _cycle(_GANADA),
    "chosung": _cycle(_CHOSUNG),
    "arabicAbjad": _cycle(_ABJAD),
    "arabicAlpha": _cycle(_ALPHA),
    "hebrew1": _hebrew,
    "hebrew2": _cycle(_HEBREW),
    "thaiLetters": _cycle(_THAI),
    "thaiNumbers": _digits(0x0E50),
    "hindiNumbers": _digits(0x0966),
}
