import pytest

from indexer.text.segmentation import sentence_spans


def sentences(text: str, language: str | None = None) -> list[str]:
    return [text[start:end].strip() for start, end in sentence_spans(text, language)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Dr. Smith paid 3.50 dollars.", "He left."],
        ["“Really?” he said.", "J. R. Tolkien wrote it."],
        ["Wait… what?", "Yes!", "No."],
        ["Das ist z. B. gut.", "Ende."],
        ["Он родился в 1990 г. в Москве.", "А. С. Пушкин писал."],
        ["Τι κάνεις;", "Καλά."],
        ["كيف حالك؟", "أنا بخير."],
        ["وہ آیا۔", "ٹھیک ہے۔"],
        ["यह है।", "ठीक है?"],
        ["এটা।", "ওটা॥"],
        ["ሰላም ነው።", "እንዴት ነህ፧"],
        ["Բարեւ։", "Ինչպես ես։"],
        ["នេះ។", "នោះ។"],
        ["ဒါပါ။", "ဟိုပါ။"],
        ["བོད་ཡིག།", "ཡིན་ནོ།"],
        ["ნავი მოვიდა.", "პორტი ძველია."],  # letters that have capitals for headlines only
        ["Նավը եկավ:", "Նավահանգիստը հին է:"],
        ["ሰላም ነው፡፡", "እንዴት ነህ::", "ደህና።"],
        ["Er sagte: „Das ist gut.“", "Dann ging er."],
        ["At 10:30 he said: stop.", "Fine."],
    ],
)
def test_sentence_marks_of_spaced_scripts(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["東京へ行く。", "終わり！", "はい"],
        ["你好。", "“再见！”", "他走了｡"],
        ["「行く。」と言った。", "はい。"],
    ],
)
def test_east_asian_marks_need_no_space(parts: list[str]) -> None:
    assert sentences("".join(parts)) == parts


def test_ordinals_depend_on_the_language() -> None:
    assert sentences("Am 3. Oktober war es. Ende.", "de") == ["Am 3. Oktober war es.", "Ende."]
    assert sentences("He is 12. She is 13.", "en") == ["He is 12.", "She is 13."]


def test_lines_paragraphs_and_list_items() -> None:
    wrapped = "This is a long line that an editor has wrapped at some column\nand it goes on here."
    text = f"Title\n{wrapped}\n- item one\n- item two\n\nLast"
    assert sentences(text) == ["Title", wrapped, "- item one", "- item two", "Last"]


def test_unmarked_thai_is_cut_at_spaces_once_long() -> None:
    clause = "ประเทศไทยตั้งอยู่ในภูมิภาคเอเชียตะวันออกเฉียงใต้และมีกรุงเทพเป็นเมืองหลวง"
    assert sentences(f"{clause} {clause} {clause}") == [clause, clause, clause]
    assert sentences("ภาษา ไทย") == ["ภาษา ไทย"]


def test_a_long_khmer_sentence_stays_whole() -> None:
    clause = "ប្រទេសកម្ពុជាមានទីតាំងនៅអាស៊ីអាគ្នេយ៍ និងមានរាជធានីភ្នំពេញ "
    long = (clause * 3).strip() + "។"
    assert sentences(f"{long} {long}") == [long, long]
    assert len(sentences(clause * 12)) > 1


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_blank_text_is_covered(text: str) -> None:
    assert "".join(text[a:b] for a, b in sentence_spans(text)) == text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a", ".", " ", "\n", "ก ", '."'])
def test_a_line_of_a_megabyte_is_no_special_case(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    spans = sentence_spans(text)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
