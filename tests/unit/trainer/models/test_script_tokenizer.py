import pytest

from trainer.models.script_tokenizer import build_tokenizer, load_tokenizer

TEXTS = [
    "Hello (world), l'amour; the cat sleeps in 2019.",
    "Привет, мир! مرحبا بالعالم. नमस्ते दुनिया।",
    "猫がカットを見る。ภาษาไทย ភាសាខ្មែរ 안녕 세상",
] * 4
SCRIPTS = {
    "Latin": "word",
    "Greek": "λέξη",
    "Cyrillic": "слово",
    "Armenian": "բառ",
    "Hebrew": "מילה",
    "Arabic": "كلمة",
    "Devanagari": "शब्द",
    "Tamil": "சொல்",
    "Thai": "คำ",
    "Khmer": "ពាក្យ",
    "Burmese": "စကားလုံး",
    "Georgian": "სიტყვა",
    "Amharic": "ቃል",
    "Han": "詞",
    "Hangul": "단어",
    "N'Ko": "ߞߎߡߊ",
    "Javanese": "ꦠꦼꦩ꧀ꦧꦸꦁ",
    "emoji": "🙂👍🏽",
    "rare Han": "𠮷",
}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(iter(TEXTS), vocab_size=700, alphabet_size=200)


def pieces(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).tokens


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_nothing_is_unknown_in_any_script(tokenizer, text):
    assert pieces(tokenizer, text)
    assert "[UNK]" not in pieces(tokenizer, text)


def test_words_start_with_a_mark_in_scripts_that_write_spaces_only(tokenizer):
    assert pieces(tokenizer, "(world) l'amour") == ["(", "▁world", ")", "▁l", "'", "▁amour"]
    assert "".join(pieces(tokenizer, "猫がภาษา")) == "猫がภาษา"


def test_case_and_compatibility_forms_do_not_matter(tokenizer):
    assert pieces(tokenizer, "ＨＥＬＬＯ") == pieces(tokenizer, "hello") == ["▁hello"]


def test_arabic_points_do_not_matter(tokenizer):
    assert pieces(tokenizer, "مَرْحَبًا") == pieces(tokenizer, "مرحبا")


@pytest.mark.parametrize("prefix", ["query: ", "passage: "])
def test_a_prefix_at_the_start_costs_nothing(tokenizer, prefix):
    assert pieces(tokenizer, prefix + "hello world") == pieces(tokenizer, "hello world")
    assert pieces(tokenizer, f"hello {prefix}world") != pieces(tokenizer, "hello world")
    assert pieces(tokenizer, prefix.upper() + "hello") != pieces(tokenizer, "hello")


def test_pieces_do_not_cross_a_change_of_script(tokenizer):
    assert pieces(tokenizer, "helloпривет")[0] == "▁hello"


def test_offsets_point_into_the_text(tokenizer):
    text = "query: Hello (world)"
    encoding = tokenizer.encode(text, add_special_tokens=False)
    assert [text[start:end].strip("( ") for start, end in encoding.offsets][-2:] == ["world", ")"]
    assert all(
        left[1] <= right[1] for left, right in zip(encoding.offsets, encoding.offsets[1:], strict=False)
    )


def test_a_saved_tokenizer_reads_back_the_same(tokenizer, tmp_path):
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = load_tokenizer(tmp_path / "tokenizer.json")
    for text in [*TEXTS, *SCRIPTS.values(), ""]:
        assert again.encode(text).ids == tokenizer.encode(text).ids
