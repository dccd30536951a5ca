"""Hindi, Urdu and Arabic in Latin letters: what statistics take for Swahili, Estonian or Hausa.

Which language it is is not said, for neither detection nor search knows more of it: such a text is ``und``.
"""

import re

_HINDI = """
aap aapka aapke aapki aapko abhi accha acha achha agar apna apne apni aur bahut bata batao bhai bhi
chahiye dhanyavaad dhanyawad diya dost gaya gaye ghar haan hai hain hamara hamare hamari hoga hogi hoon
hota hoti hua hui jaana jata jati jaunga kaam kahaan kahan kaisa kaise kaisi karna karo karta karte karti
kaun khulta kitaab kitna kitne kitni koi kripya kuch kya kyon kyun kyunki lekin liya matlab mein mera
mere meri mujhe mujhko naam nahi nahin namaste paani pani phir pustakalaya raha rahe rahi saath sakta
sakte sakti shukriya theek thik toh tumhara tumhare tumhari tumko unka wala wale wali woh yahan yeh
"""
_ARABIC = """
ahlan akhi alaikum alaykum alkhair alkhayr assalam assalamu ayna biddi bidi bukra fadlak fadlik habibi
habibti hadha hadhihi hala halak haluk haluki hamdulillah inshallah jamil jazilan kaif kaifa kayf kayfa
keefak kifak kitab kteer ktir limadha madha madrasa maftuh maftuha maktaba marhaba marhaban masa mumkin
sabah sahlan salaam salam samaht shu shukran ukhti ureed urid uridu wayn wein yalla yawm
"""
_ROMANISED = frozenset(f"{_HINDI} {_ARABIC}".split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_ARTICLE = re.compile(r"(?<!\w)(?:al|as|ash|ad|an|ar|at)-[a-z]{3}")
_WITH_DIGITS = re.compile(r"(?<!\w)(?=\w*[a-z])[a-z']*[23579][a-z'23579]*[a-z](?!\w)")  # 3arabi, 7elo
_LEAST, _SHARE = 2, 0.3


def is_romanised(text: str) -> bool:
    """Whether many words of a text in Latin letters are Hindi, Urdu or Arabic ones."""
    lowered = text.casefold()
    words = _WORD.findall(lowered)
    known = sum(word in _ROMANISED for word in words)
    known += len(_ARTICLE.findall(lowered)) + len(_WITH_DIGITS.findall(lowered))
    return known >= _LEAST and known >= _SHARE * len(words)
