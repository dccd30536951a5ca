from collections.abc import Mapping

import numpy as np
import pytest

from indexer.search.lexical import sparse_passage, sparse_query
from indexer.text.folding import fold
from indexer.types import SparseVector


def lexical_score(
    query: SparseVector, passage: SparseVector, idf: Mapping[int, float] | None = None
) -> float:
    """The dot product that the store computes; without ``idf`` every feature counts alike."""
    weights = dict(zip(passage.indices.tolist(), passage.values.tolist(), strict=True))
    idf = idf or {}
    pairs = zip(query.indices.tolist(), query.values.tolist(), strict=True)
    return sum(value * weights.get(index, 0.0) * idf.get(index, 1.0) for index, value in pairs)


@pytest.mark.parametrize(
    ("query", "passage", "decoy"),
    [
        ("东京", "我去年在东京住了三个月", "京东是一家很大的商城"),
        ("東京", "今日は東京へ行きました", "京都の東に住んでいます"),
        ("水", "川の水は冷たい", "川の石は丸い"),
        ("ภาษาไทย", "คนส่วนใหญ่พูดภาษาไทยได้", "คนส่วนใหญ่พูดภาษาลาวได้"),
        ("ភាសាខ្មែរ", "ខ្ញុំរៀនភាសាខ្មែរនៅសាលា", "ខ្ញុំរៀនភាសាអង់គ្លេសនៅសាលា"),
        ("မြန်မာ", "ကျွန်တော်မြန်မာစာသင်တယ်", "ကျွန်တော်အင်္ဂလိပ်စာသင်တယ်"),
        ("ພາສາລາວ", "ຂ້ອຍຮຽນພາສາລາວຢູ່ໂຮງຮຽນ", "ຂ້ອຍຮຽນພາສາໄທຢູ່ໂຮງຮຽນ"),
        ("서울", "어제 서울에서 친구를 만났다", "어제 부산에서 친구를 만났다"),
        ("물", "물은 차갑다", "불은 뜨겁다"),
        ("מלך", "המלך גר בארמון", "המלון נמצא בעיר"),
        ("كتاب", "قرأت الكتاب أمس", "أكلت التفاح أمس"),
        ("مَدْرَسَة", "ذهب إلى المدرسة", "ذهب إلى السوق"),
        ("किताब", "मेरी किताबें यहाँ हैं", "मेरी बिल्ली यहाँ है"),
        ("நூலகம்", "நூலகத்தில் படித்தேன்", "வீட்டில் படித்தேன்"),
        ("ኢትዮጵያ", "የኢትዮጵያ ታሪክ ረጅም ነው", "የኬንያ ታሪክ ረጅም ነው"),
        ("книга", "он читает книгу", "он читает газету"),
        ("дом", "вокруг дома сад", "вокруг тома сад"),
        ("talossa", "istumme taloissa", "istumme kalassa"),
        ("evlerimizden", "evlerimizde oturduk", "okulda oturduk"),
        ("Versicherung", "die Krankenversicherung zahlt", "die Krankenschwester zahlt"),
        ("café", "the CAFE is open", "the cave is open"),
        ("İstanbul", "istanbul büyük", "ankara büyük"),
        ("RFC-2119", "words of RFC 2119 apply", "words of RFC 2120 apply"),
        ("RFC2119", "see RFC-2119 for words", "see RFC-2120 for words"),
        ("A4", "print it on A4 paper", "print it on A5 paper"),
        ("anna.k@example.org", "write to anna.k@example.org now", "anna wrote an example for a k.org"),
        ("١٢٣", "number 123 was drawn", "number 124 was drawn"),
        ("ＡＢＣ", "the abc of sailing", "the abd of sailing"),
    ],
)
def test_the_passage_that_holds_the_query_beats_a_decoy(query: str, passage: str, decoy: str) -> None:
    vector = sparse_query(query)
    assert lexical_score(vector, sparse_passage(passage)) > lexical_score(vector, sparse_passage(decoy))


@pytest.mark.parametrize("text", ["東京へ行く", "The RFC-2119 words", "ภาษาไทย", "", "!?", "한국어 книга"])
def test_vectors_are_ascending_unique_and_positive(text: str) -> None:
    for vector in (sparse_passage(text, "A title"), sparse_query(text)):
        assert vector.indices.dtype == np.uint32
        assert vector.values.dtype == np.float32
        assert len(vector.indices) == len(vector.values)
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
        assert (vector.values > 0).all()


def test_hashes_never_change() -> None:
    """Golden: stored vectors must stay comparable. Made with ``sparse_query("A4").indices`` of version 0.1.0."""
    assert sparse_query("A4").indices.tolist() == [3910291490]
    assert 976388560 in sparse_query("東京").indices


def test_weights_saturate_with_repetition_and_fall_with_length() -> None:
    once, often = sparse_passage("ab"), sparse_passage("ab " * 50)
    assert once.values[0] < often.values[0] < 2.2
    long = sparse_passage("ab " + "word " * 500)
    assert long.values[long.indices == once.indices[0]] < once.values[0]


def test_the_title_counts() -> None:
    vector = sparse_query("Napoleon")
    assert lexical_score(vector, sparse_passage("He was born in Corsica.", "Napoleon")) > 0
    assert lexical_score(vector, sparse_passage("He was born in Corsica.")) == 0


def test_rare_features_decide_with_idf() -> None:
    rare = int(sparse_query("zebu").indices[0])
    vector = sparse_query("the zebu")
    scores = [lexical_score(vector, sparse_passage(text), {rare: 5.0}) for text in ("a zebu", "the the the")]
    assert lexical_score(vector, sparse_passage("a zebu"), {rare: 5.0}) > lexical_score(
        vector, sparse_passage("a zebu")
    )
    assert scores[0] > scores[1]


def test_sizes_are_bounded() -> None:
    words = "".join(chr(0x4E00 + i * 7 % 20_000) for i in range(5_000))
    assert len(sparse_passage(words).indices) <= 2_000
    assert len(sparse_query(words).indices) <= 64
    thai = "ประเทศไทยตั้งอยู่ในภูมิภาคเอเชียตะวันออกเฉียงใต้และมีกรุงเทพเป็นเมืองหลวง" * 8
    assert len(sparse_passage(thai[:600]).indices) <= 600


def test_folding_keeps_vowel_signs_that_carry_meaning() -> None:
    assert fold("Ärger ÉTÉ ΆΛΦΑ") == "arger ete αλφα"
    assert fold("की") != fold("क")
    assert fold("ที่") != fold("ท")
    assert fold("한국") == "한국"
