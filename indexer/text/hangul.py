"""Korean words: particles that are written on to nouns, and nouns that are written together.

Asked for 도서관 (library), a reader is served by 도서관은 (the library, as the topic) and by
국립중앙도서관 (national central library); asked for 기차 (train) not by 전기차 (electric car), which is
전기 + 차. There is no dictionary. All text here is folded.
"""

import regex

_SYLLABLE = regex.compile(r"[가-힣]")
_SYLLABLES = regex.compile(r"[가-힣]+")
_PARTICLE_WORDS = """
은 는 이 가 을 를 의 에 도 로 와 과 만 나 랑 야 들 인 께 요 란 에서 에게 으로 까지 부터 한테 처럼 보다
이나 이라 이며 이고 이란 이다 하고 에는 에도 로는 로서 로써 마다 마저 조차 밖에 라고 라는 께서 들이 들은
들을 들의 들과 들도 과의 와의 로의 만을 만의 만이 이랑 에서는 에서도 에서의 으로는 으로도 으로서 으로써
으로의 이라고 이라는 까지는 까지의 부터는 입니다 입니까 이에요 예요 들에게 들에게는 에게는 에게서
"""
_PARTICLES = frozenset(_PARTICLE_WORDS.split())
_LONGEST = max(map(len, _PARTICLES))
_MIN_CORE = 2
_MIN_PART = 3  # syllables of a noun that counts wherever it stands; shorter ones count at the end
_WHOLE, _PART = 1.0, 0.7


def is_hangul(word: str) -> bool:
    """Whether a word begins with a Korean syllable."""
    return _SYLLABLE.match(word) is not None


def core(word: str) -> str:
    """A Korean word without its particle; itself where it has none, empty for other scripts."""
    if _SYLLABLES.fullmatch(word) is None:
        return ""
    for length in range(min(_LONGEST, len(word) - _MIN_CORE), 0, -1):
        if word[-length:] in _PARTICLES:
            return word[:-length]
    return word


def credit(word: str, core: str, text: str, *, inside: bool) -> float:
    """What a word counts for in a text, 0..1: all with another particle, less as a part of a compound.

    Args:
        word: as it was asked.
        core: the same without its particle.
        text: folded.
        inside: whether it may stand behind other syllables.
    """
    return max(
        _credit(word, text, any_ending=True, inside=inside),
        0.0 if core == word else _credit(core, text, any_ending=False, inside=inside),
    )


def _credit(word: str, text: str, *, any_ending: bool, inside: bool) -> float:
    best = 0.0
    start = text.find(word)
    while start >= 0 and best < _WHOLE:
        end = start + len(word)
        after = _SYLLABLES.match(text, end)
        has_particle = after is None or after.group() in _PARTICLES
        before = 0
        while before < start and _SYLLABLE.match(text, start - before - 1):
            before += 1
        if before == 0 and has_particle:
            best = _WHOLE if len(word) >= _MIN_CORE else max(best, _PART)
        elif before == 0 and any_ending and len(word) >= _MIN_CORE:
            best = max(best, _PART)
        elif inside and before >= _MIN_CORE and len(word) >= _MIN_CORE:
            counts = has_particle or (any_ending and len(word) >= _MIN_PART)
            best = max(best, _PART if counts else 0.0)
        start = text.find(word, start + 1)
    return best
