"""Language tags (BCP 47): their spelling, the language in them, and which languages look alike.

Names of languages are in ``names``.
"""

import re

_TAG = re.compile(r"(?:[a-z]{2,8}|[xi](?=-))(?:-[a-z0-9]{1,8})*", re.IGNORECASE | re.ASCII)

_CODES = """
aa ab af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq
sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
ara bul ces chi cze dan deu dut ell eng est fas fin fra fre ger gre heb hin hrv hun ind ita jpn kor lav lit
nld nor pol por ron rum rus slk slv spa srp swe tha tur ukr vie zho
"""
CODES = frozenset(_CODES.split())
"""ISO 639-1, and the three-letter codes that files are named with."""

_CONFUSABLE = tuple(
    frozenset(group.split())
    for group in (
        "bs hr sr sr-Latn sh cnr",
        "id ms jv su",
        "nb nn no da",
        "zh zh-Hant zh-Hans yue wuu lzh",
        "cs sk",
        "es gl ast ca an",
        "pt gl",
        "bg mk",
        "ru uk be",
        "fa prs tg ps",
        "hi mr ne bho mai",
        "ar arz ary ckb",
        "af nl fy li",
        "xh zu",
        "ur pnb sd",
    )
)
_CLOSEST = tuple(
    frozenset(group.split())
    for group in (
        "bs hr sl sr",
        "id ms",
        "da nb nn",
        "cs sk",
        "bg mk",
        "es gl pt",
        "be ru uk",
        "hi mr ne",
        "yue zh zh-Hant",
    )
)


def language_tag(text: str) -> str | None:
    """The tag in its usual spelling (``EN_us`` is ``en-US``), or None for what is not a tag.

    Only the form is checked, not whether the language exists.
    """
    text = text.strip().replace("_", "-")
    if not _TAG.fullmatch(text):
        return None
    first, *rest = text.lower().split("-")
    tags, is_extension = [first], len(first) == 1
    for part in rest:
        is_extension = is_extension or len(part) == 1
        if is_extension or not part.isalpha():
            tags.append(part)
        else:
            tags.append({2: part.upper(), 4: part.title()}.get(len(part), part))
    return "-".join(tags)


def primary_language(tag: str) -> str:
    """The language of a tag without script and region: ``zh`` for ``zh-Hant-TW``."""
    return tag.partition("-")[0]


def are_confusable(one: str, other: str) -> bool:
    """Whether two tags mean one language, or two that detectors mistake for each other in a sentence."""
    if primary_language(one) == primary_language(other):
        return True
    return any(one in group and other in group for group in _CONFUSABLE)


def are_closest(one: str, other: str) -> bool:
    """Whether two tags mean languages so close that the rest of a document says more than a long passage."""
    return any(one in group and other in group for group in _CLOSEST)
