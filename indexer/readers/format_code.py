"""Number format codes of workbooks, cut into sections and tokens."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

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


@lru_cache(maxsize=512)
def sections_of(code: str) -> list[Section]:
    """The sections of a format code, at most four."""
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


def is_date_code(code: str) -> bool:
    """Whether numbers in this format are dates or times."""
    return sections_of(code)[0].is_date
