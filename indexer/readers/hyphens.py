"""Words that keep their hyphen when a line ends at it: what English and French join by hyphens most often."""

_FIRST = """well self ill long short high low full half part first second third last best better hard soft old
    new open wide deep cross ever much large small single double multi full free real right left top
    ready hand home one two three four five six seven eight nine ten"""
_SECOND = """known being defined designed developed documented dressed educated established founded informed
    intentioned kept made meaning off paid read rounded spoken suited trained used versed worn
    written balanced term range standing lasting running distance haul lived sleeve sighted level
    quality speed end profile risk resolution performance income cost fat key budget tech scale size
    sized class rate hand time year day week month hour minute mile page part way sided storey story
    bedroom person man woman aged fashioned born coming generation line ended minded source air plan
    needed section reference border country cutting examine changing increasing growing present
    esteem confidence confident control defence defense employed sufficient service evident
    explanatory assessment awareness discipline respect taught contained governing portrait world
    free dried worked fledged scale blown fledged length digit fold thirds quarters fifths tenths"""
_ALWAYS_SECOND = """based related oriented orientated driven friendly specific minded sized shaped owned aged
    term called haired eyed coloured colored aware proof resistant dependent wide-ranging law in-law"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = """one two three four five six seven eight nine first second third fourth fifth sixth seventh eighth
    ninth"""
_NOT_AFTER_SELF = """ish ishly ishness less lessly lessness same hood ness dom"""
_FRENCH_SECOND = "vous même mêmes"

FIRST, SECOND = frozenset(_FIRST.split()), frozenset(_SECOND.split())
ALWAYS_SECOND, FRENCH_SECOND = frozenset(_ALWAYS_SECOND.split()), frozenset(_FRENCH_SECOND.split())
TENS, ONES = frozenset(_TENS.split()), frozenset(_ONES.split())
NOT_AFTER_SELF = frozenset(_NOT_AFTER_SELF.split())


SUSPENDED_BEFORE = frozenset(["und", "oder", "bzw", "sowie", "and", "or", "och", "eller", "samt"])
"""Words before which a hyphen stands for the rest of a word: Vor- und Nachteile."""


def keeps_hyphen(left: str, right: str) -> bool:
    """Whether ``left-right`` (small letters) is usually written with its hyphen."""
    if len(left) < 3:
        return False
    return (
        (left in FIRST and right in SECOND)
        or right in ALWAYS_SECOND
        or right in FRENCH_SECOND
        or (left in TENS and right in ONES)
        or (left == "self" and right not in NOT_AFTER_SELF)
        or (left, right) == ("peut", "être")
    )
