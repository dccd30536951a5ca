"""English names of the three-letter codes that Tatoeba's evaluation files use, and of language pairs."""

from ui.languages import LANGUAGE_NAMES

TATOEBA_NAMES = {
    "afr": "Afrikaans", "amh": "Amharic", "ang": "Old English", "ara": "Arabic", "arq": "Algerian Arabic",
    "arz": "Egyptian Arabic", "ast": "Asturian", "awa": "Awadhi", "aze": "Azerbaijani", "bel": "Belarusian",
    "ben": "Bengali", "ber": "Berber", "bos": "Bosnian", "bre": "Breton", "bul": "Bulgarian",
    "cat": "Catalan", "cbk": "Chavacano", "ceb": "Cebuano", "ces": "Czech", "cha": "Chamorro",
    "cmn": "Mandarin Chinese", "cor": "Cornish", "csb": "Kashubian", "cym": "Welsh", "dan": "Danish",
    "deu": "German", "dsb": "Lower Sorbian", "dtp": "Central Dusun", "ell": "Greek", "eng": "English",
    "epo": "Esperanto", "est": "Estonian", "eus": "Basque", "fao": "Faroese", "fin": "Finnish",
    "fra": "French", "fry": "Frisian", "gla": "Scottish Gaelic", "gle": "Irish", "glg": "Galician",
    "gsw": "Swiss German", "heb": "Hebrew", "hin": "Hindi", "hrv": "Croatian", "hsb": "Upper Sorbian",
    "hun": "Hungarian", "hye": "Armenian", "ido": "Ido", "ile": "Interlingue", "ina": "Interlingua",
    "ind": "Indonesian", "isl": "Icelandic", "ita": "Italian", "jav": "Javanese", "jpn": "Japanese",
    "kab": "Kabyle", "kat": "Georgian", "kaz": "Kazakh", "khm": "Khmer", "kor": "Korean", "kur": "Kurdish",
    "kzj": "Coastal Kadazan", "lat": "Latin", "lfn": "Lingua Franca Nova", "lit": "Lithuanian",
    "lvs": "Latvian", "mal": "Malayalam", "mar": "Marathi", "max": "North Moluccan Malay",
    "mhr": "Meadow Mari", "mkd": "Macedonian", "mon": "Mongolian", "nds": "Low German", "nld": "Dutch",
    "nno": "Norwegian Nynorsk", "nob": "Norwegian Bokmål", "nov": "Novial", "oci": "Occitan",
    "orv": "Old East Slavic", "pam": "Kapampangan", "pes": "Persian", "pms": "Piedmontese", "pol": "Polish",
    "por": "Portuguese", "ron": "Romanian", "rus": "Russian", "slk": "Slovak", "slv": "Slovenian",
    "spa": "Spanish", "sqi": "Albanian", "srp": "Serbian", "swe": "Swedish", "swg": "Swabian",
    "swh": "Swahili", "tam": "Tamil", "tat": "Tatar", "tel": "Telugu", "tgl": "Tagalog", "tha": "Thai",
    "tuk": "Turkmen", "tur": "Turkish", "tzl": "Talossan", "uig": "Uyghur", "ukr": "Ukrainian",
    "urd": "Urdu", "uzb": "Uzbek", "vie": "Vietnamese", "war": "Waray", "wuu": "Wu Chinese",
    "xho": "Xhosa", "yid": "Yiddish", "yue": "Cantonese", "zsm": "Malay",
}  # fmt: skip


def task_language(code: str) -> str:
    """What a task's language code is called: ``German``, ``German – English``; unknown codes stay."""
    if code in ("mean", "und"):
        return {"mean": "mean of the languages", "und": "all"}[code]
    left, dash, right = code.partition("-")
    if dash and right.islower() and all(_known(half) for half in (left, right)):
        return f"{_known(left)} – {_known(right)}"
    return LANGUAGE_NAMES.get(code) or TATOEBA_NAMES.get(code) or code


def _known(code: str) -> str:
    return LANGUAGE_NAMES.get(code) or TATOEBA_NAMES.get(code) or ""
