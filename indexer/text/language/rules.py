"""What scripts and letters say about the language of a text: certainties, candidates, exclusions.

Plain data and small functions; the statistics are in ``indexer.text.language.detector``.
"""

import re
from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

ONE_LANGUAGE: Mapping[str, tuple[str, str]] = {
    "Hang": ("ko", "Kore"),
    "Thai": ("th", "Thai"),
    "Laoo": ("lo", "Laoo"),
    "Khmr": ("km", "Khmr"),
    "Mymr": ("my", "Mymr"),
    "Geor": ("ka", "Geor"),
    "Armn": ("hy", "Armn"),
    "Grek": ("el", "Grek"),
    "Gujr": ("gu", "Gujr"),
    "Guru": ("pa", "Guru"),
    "Orya": ("or", "Orya"),
    "Taml": ("ta", "Taml"),
    "Telu": ("te", "Telu"),
    "Knda": ("kn", "Knda"),
    "Mlym": ("ml", "Mlym"),
    "Sinh": ("si", "Sinh"),
    "Tibt": ("bo", "Tibt"),
    "Thaa": ("dv", "Thaa"),
    "Cher": ("chr", "Cher"),
    "Cans": ("iu", "Cans"),
    "Nkoo": ("nqo", "Nkoo"),
    "Olck": ("sat", "Olck"),
    "Syrc": ("syr", "Syrc"),
    "Tfng": ("zgh", "Tfng"),
    "Yiii": ("ii", "Yiii"),
    "Mong": ("mn", "Mong"),
    "Vaii": ("vai", "Vaii"),
    "Adlm": ("ff", "Adlm"),
    "Mtei": ("mni", "Mtei"),
    "Java": ("jv", "Java"),
    "Bali": ("ban", "Bali"),
    "Cakm": ("ccp", "Cakm"),
    "Goth": ("got", "Goth"),
    "Copt": ("cop", "Copt"),
}
"""Scripts that (nearly) one living language uses: its code and the ISO 15924 script reported."""

CANDIDATES: Mapping[str, frozenset[str]] = {
    "Cyrl": frozenset(["ba", "be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"]),
    "Arab": frozenset(["ar", "ary", "arz", "fa", "ps", "sdh", "ug", "ur", "uzs"]),
    "Deva": frozenset(["gom", "hi", "mr", "ne", "sa"]),
}
"""Labels of py3langid that are written in a script; Latin has all that no other script claims."""

_NOT_LATIN = frozenset(
    [
        "am",
        "ar",
        "ary",
        "arz",
        "as",
        "ba",
        "be",
        "bg",
        "bn",
        "dz",
        "el",
        "fa",
        "grc",
        "gu",
        "hbo",
        "he",
        "hi",
        "hy",
        "ja",
        "ka",
        "kk",
        "km",
        "kn",
        "ko",
        "ky",
        "lo",
        "mk",
    ]
)
_NOT_LATIN |= frozenset(
    [
        "ml",
        "mn",
        "mr",
        "my",
        "ne",
        "or",
        "pa",
        "ps",
        "ru",
        "sa",
        "sdh",
        "si",
        "ta",
        "te",
        "tg",
        "th",
        "tt",
        "ug",
        "uk",
        "ur",
        "uzs",
        "wuu",
        "yue",
        "zh",
        "zxx",
    ]
)

RENAMED: Mapping[str, str] = {
    "ary": "ar", "arz": "ar", "fuv": "ff", "gug": "gn", "hbo": "he", "kik": "ki", "no": "nb", "sdh": "ckb",
    "uzs": "uz", "wuu": "zh",
}  # fmt: skip
"""BCP-47 codes for labels of py3langid that are varieties or macrolanguages."""

RARE = frozenset(
    [
        "ace",
        "an",
        "arz",
        "ast",
        "ary",
        "bcl",
        "crh",
        "ext",
        "fo",
        "fuv",
        "gcf",
        "gcr",
        "gd",
        "gom",
        "gug",
        "guw",
        "kab",
        "kik",
        "la",
        "lij",
        "ltg",
        "oc",
        "pcm",
        "sdh",
        "se",
        "srl",
        "st",
        "uzs",
        "vec",
        "vo",
        "wa",
    ]
)
"""Labels that in a library are more often a mistake than the truth."""

# Letters and the languages that write them: a text with such a letter is hardly in another one of its script.
_LETTERS = """
ё ru be kk ky tg tt ba mn
ыэ ru be kk ky tt ba mn
ъ ru bg tg tt ba kk ky
щ ru uk bg kk ky tt ba mn
йюя ru uk be bg kk ky tg tt ba mn
ь ru uk be bg kk ky tt ba mn
и ru uk bg mk sr kk ky tg tt ba mn
єїґ uk
і uk be kk
ў be
ђћ sr
јљњџ sr mk
ѓќѕ mk
қ kk tg
ғ kk tg ba
ҡҙҫ ba
ң kk ky tt ba
үө kk ky mn tt ba
ә kk tt ba
ұ kk
ӣӯҳҷ tg
ă ro vi
șț ro
ş tr az ku tk crh ro
ğ tr az crh
ı tr az crh
ə az
őű hu
ł pl
ąę pl lt
śź pl
ń pl
ż pl mt
ć hr bs sr pl
đ hr bs sr vi se
řůě cs
ľĺŕ sk
ďťň cs sk
č cs sk sl hr bs sr lt lv se ltg kab
šž cs sk sl hr bs sr lt lv et se ltg
ý cs sk is fo cy vi tk
å sv da no nn fi wa
ø da no nn fo
æ da no nn is fo
õ et pt vi ltg gn gug
ð is fo
þ is
ñ es gl eu tl qu gug ace wa ext an ht
ã pt vi gug
ß de
ŵŷ cy
ġħċ mt
ĉĝĥĵŝŭ eo
ļņģķ lv ltg
ėįų lt
ơưạảấầẩậắằẳẵặẻẽếềểễịỉỏốồổỗớờởỡợụủũứừửữựỳỷỹ vi
ọẹ vi yo ig
ṣ yo
ɓɗƙ ha fuv
پچژگ fa ur ps sdh ug uzs
ٹڈڑےں ur
ځڅښړټډۍ ps
ێۆڵڕ sdh
ەۇۈۋڭ ug
کی fa ur ps sdh uzs
كة ar ary arz ug
"""

# Croatian, Bosnian and Serbian in Latin script: the reflex of yat (mlijeko, mleko), western or eastern words.
# Words with the same letters in all of them (klijent, premijer, objekat) are taken out first.
_YAT_LOOKALIKE = re.compile(
    r"\b(?:\w*jekt\w*|objek\w+|premijer\w*|\w*(?:klij|pacij|orij)ent\w*|karijer\w*|higijen\w*|vijetnam\w*|hijerarh\w+"
    r"|prijem\w*|(?:do|raz|u|od|pro|na|po|iz)bije\w+|danijel\w*|nijed\w+|podjednak\w*|između|videoz\w+)\b"
)
_IJEKAVIAN = re.compile(
    r"[bcdfgklmnprstvz]ije(?:[bcdčćfghklnprstvzšž]|m[ae])|[bdmptv]je(?:[chčdhklnrsštvz]|st)"
    r"|(?:uvij|prij|poslij|gdj|ovdj|ondj|dolj|htj)e"
    r"|vidje|\b(?:htio|želio|vidio|volio|živio|sretn\w+|nije?sam)\b"
)
_EKAVIAN = re.compile(
    r"\b(?:uvek|pre|posle|gde|ovde|onde|negde|dole|uvid|hteo|želeo|video|voleo|živeo|ceo|cel[aeiou]|deo|dela|delu|deca|dece"
    r"|decu|dete|lep\w+|mlek\w+|mest[oaiu]|reč\w*|vreme|čovek\w*|svet\w{0,3}|dve|reš\w+|pesm\w+|devoj\w+|rek[aeiu]|cen[aeiu]"
    r"|razume\w*|sreć?an|sreć\w+|telo|leto|sledeć\w+|pobed\w+|uspe\w+|promen\w+|primen\w+|vide\w+|hte\w+|želel\w+|žive\w+|vole\w+"
    r"|nedelj\w+|deljen\w+|menja\w*|izme\w+|trebal\w+|ver[ou]\w+|beo|bel[aeiou]|negov\w+|ponedeljak|obavešt\w+|zameni\w*"
    r"|primer\w*|vredn\w+|umesto|zahtev\w*|svetl\w+|predsedni\w+|verova\w+|mer[aeiu]|vesti?|poveren\w+|podrazumeva\w*"
    r"|unapred|sever\w*|posled\w+|smer\w*|nemač\w+|mesec\w*|izvešt\w+|zvezd\w*|savet\w*|namer\w+|retk\w+|oseća\w+"
    r"|vežb\w+|delov\w+|proveri\w*|zamen\w+|procen\w+|veštin\w+|obe|obezbe\w+|sused\w*|izbe[gć]\w+|razumev\w+"
    r"|svedo\w+|vernik\w*|levo|leve|letnj\w+|sprove\w+|prime[nć]\w+|bezbedn\w+|celin\w+)\b"
)
_WESTERN = re.compile(
    r"\b(?:tko|netko|nitko|svatko|uopće|opć\w+|tisuć\w+|tjed\w+|točn\w+|glazb\w+|obitelj\w*|tvrtk\w+|sustav\w*|povijest\w*"
    r"|tijekom|europ\w+|zrak\w*|vlak\w*|kolodvor\w*|datotek\w+|zaslon\w*|također|glede|kava|kavu|kave|kruh\w*|tipkovnic\w+"
    r"|sveučiliš\w+|kazališ\w+|poduzeć\w+|nogomet\w*|siječ\w+|svib\w+|lip\w+j\w+|veljač\w+|ožuj\w+|prosin\w+)\b"
)
_EASTERN = re.compile(
    r"\b(?:šta|ko|neko|niko|svako|uopšte|opšt\w+|hiljad\w+|sedmic\w+|tačn\w+|muzi\w+|porodi\w+|istorij\w*|historij\w*|evrop\w+|vazduh\w*"
    r"|voz|voza|vozom|takođe|hleb\w*|hljeb\w*|kafa|kafu|kafe|fajl\w*|univerzitet\w*|pozoriš\w+|preduzeć\w+|fudbal\w*|januar\w*|maj[au]?|decemb\w+"
    r"|\w{3,}(?:kova|nova|rova)(?:ti|o|la|n)|\w{2,}[lnrt]isa(?:ti|o|la|n)|da li|saopšt\w+|sopstven\w+)\b"
)
_YIDDISH = re.compile(
    r"[\u05f0-\u05f2]|(?<!\w)(?:איז|דאס|דאָס|נישט|ניט|פֿון|פון|האט|האָט|זיי|איך|זענען|דעם)(?!\w)"
)
_TIGRINYA = re.compile("[ኸዅኻኼኽኾቐቑቒቓቔቕቖ]|እዩ|ዝ[\u1200-\u135a]{2}|ኣ")
_AMHARIC = re.compile("ነው|ናቸው|አ|ው(?![\u1200-\u135a])|ዎ")
_CANTONESE = re.compile("[嘅咗喺嚟冇哋嗰啲唔佢咁嘢攞畀]|係咪|乜嘢|邊個|點解")


def latin_labels(labels: list[str]) -> list[str]:
    """The labels of py3langid that are written in Latin script."""
    return [label for label in labels if label not in _NOT_LATIN]


@cache
def letter_owners() -> dict[str, frozenset[str]]:
    """For each distinguishing letter, the labels whose alphabets have it."""
    owners: dict[str, frozenset[str]] = {}
    for line in _LETTERS.strip().splitlines():
        letters, *labels = line.split()
        owners.update(dict.fromkeys(letters, frozenset(labels)))
    return owners


def south_slavic_evidence(text: str) -> dict[str, float]:
    """Points for Croatian, Bosnian and Serbian in Latin script, at most 8 each, beside the statistics."""
    lowered = _YAT_LOOKALIKE.sub(" ", text.lower())
    ijekavian, ekavian = len(_IJEKAVIAN.findall(lowered)), len(_EKAVIAN.findall(lowered))
    western, eastern = len(_WESTERN.findall(lowered)), len(_EASTERN.findall(lowered))
    yat = max(-6.0, min(6.0, 2.0 * (ijekavian - ekavian)))
    words = max(-3.0, min(3.0, 1.5 * (western - eastern)))
    return {"hr": 0.8 * yat + words, "bs": 0.8 * yat - 0.6 * words, "sr": -0.8 * yat - words}


def hebrew_language(text: str) -> str:
    return "yi" if len(_YIDDISH.findall(text)) * 12 >= len(text.split()) else "he"


def ethiopic_language(text: str) -> str:
    return "ti" if len(_TIGRINYA.findall(text)) > len(_AMHARIC.findall(text)) else "am"


def bengali_language(text: str) -> str:
    return "as" if "ৰ" in text or "ৱ" in text else "bn"


def han_language(text: str) -> tuple[str, str]:
    """Code and script of a text in Chinese characters without kana."""
    traditional, simplified = _han_variants()
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    codes = codes[codes < len(traditional)]
    is_traditional = int(traditional[codes].sum()) > int(simplified[codes].sum())
    if len(_CANTONESE.findall(text)) * 40 >= len(text):
        return "yue", "Hant" if is_traditional else "Hans"
    return ("zh-Hant", "Hant") if is_traditional else ("zh", "Hans")


@cache
def _han_variants() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Characters that only Big5, and that only GB 2312 knows: traditional and simplified ones."""
    traditional = np.zeros(0xA000, dtype=np.bool_)
    simplified = np.zeros(0xA000, dtype=np.bool_)
    for code in range(0x4E00, 0xA000):
        in_gb, in_big5 = _encodable(chr(code), "gb2312"), _encodable(chr(code), "big5")
        traditional[code] = in_big5 and not in_gb
        simplified[code] = in_gb and not in_big5
    return traditional, simplified


def _encodable(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
