"""Subtitles as they are found: blocks that run together, lines that roll up, speakers, styles."""

import pytest

from tests.support.reading import read, text_of


def srt(*cues: str, gap: str = "\n\n") -> str:
    times = ((f"00:00:0{n},000 --> 00:00:0{n},900", cue) for n, cue in enumerate(cues, start=1))
    return gap.join(f"{number}\n{shown}\n{cue}" for number, (shown, cue) in enumerate(times, start=1)) + "\n"


@pytest.mark.parametrize("gap", ["\n\n", "\n", "\n\n\n"])
def test_cues_need_no_empty_line_between_them(gap: str) -> None:
    assert (
        text_of("a.srt", srt("The weir", "Room 12", "The mill", gap=gap)) == "The weir\nRoom 12\nThe mill\n"
    )
    bare = "00:00:01,000 --> 00:00:02,000\n1984\n00:00:04,000 --> 00:00:05,000\nLater\n"
    assert text_of("a.srt", bare) == "1984\nLater\n"


def test_an_empty_line_inside_a_cue_ends_nothing() -> None:
    assert text_of("a.srt", srt("The weir\n\nis closed", "The mill")) == "The weir is closed\nThe mill\n"
    vtt = (
        "WEBVTT - made by hand\n\nSTYLE\n::cue { color: red }\n\n1\n00:01.000 --> 00:02.000 line:0\nThe weir\n\n"
        "is closed\n\nNOTE not this\nnor this\n\nlast one\n00:03.000 --> 00:04.000\nThe mill\n"
    )
    assert text_of("a.vtt", vtt) == "The weir is closed\nThe mill\n"


def test_captions_that_roll_up_are_read_once() -> None:
    rolled = ["WEBVTT", ""]
    words = ["we oil the gate", "then we lift it", "and the water runs"]
    for n, word in enumerate(words):
        above = words[n - 1] if n else " "
        rolled += [
            f"00:0{2 * n}.000 --> 00:0{2 * n + 1}.990",
            above,
            f"{word[:2]}<00:0{2 * n}.500><c>{word[2:]}</c>",
            "",
        ]
        rolled += [f"00:0{2 * n + 1}.990 --> 00:0{2 * n + 2}.000", word, " ", ""]
    assert text_of("a.vtt", "\n".join(rolled)) == "\n".join(words) + "\n"


def test_a_line_that_grows_is_read_when_it_is_whole() -> None:
    assert text_of("a.srt", srt("We", "We oil", "We oil the gate", "Well")) == "We oil the gate\nWell\n"
    assert text_of("a.srt", srt("No", "Now we go")) == "No\nNow we go\n"


def test_a_line_that_is_said_again_later_is_read_again() -> None:
    later = "00:00:01,000 --> 00:00:02,000\nHeave!\n\n00:00:05,000 --> 00:00:06,000\nHeave!\n"
    assert text_of("a.srt", later) == "Heave!\nHeave!\n"


def test_speakers_are_named_and_on_lines_of_their_own() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Ada Brook>Lift it!</v>\n<v Ola>I do\nwhat I can.\n"
    assert text_of("a.vtt", vtt) == "Ada Brook: Lift it!\nOla: I do what I can.\n"
    assert text_of("a.srt", srt("- Lift it!\n- I do\nwhat I can.")) == "- Lift it!\n- I do what I can.\n"


@pytest.mark.parametrize(
    ("cue", "text"),
    [
        ("if a < b and b > c", "if a < b and b > c"),
        ("I <3 the <old> mill", "I <3 the <old> mill"),
        ("{\\an8}<font color='#fff'>Top</font> <i>line</i>", "Top line"),
        ("{\\pos(10,20)\\c&H00FF&}Lift {it}", "Lift {it}"),
        ("Salt &amp; oil &#8211; &lt;free&gt; AT&T", "Salt & oil – <free> AT&T"),
        ("One<br>two\\Nthree", "One two three"),
        ("C:\\New folder", "C:\\New folder"),
        ("<ruby>水車<rt>すいしゃ</rt></ruby>小屋", "水車小屋"),
    ],
)
def test_markup_goes_and_words_stay(cue: str, text: str) -> None:
    assert text_of("a.srt", srt(cue)) == f"{text}\n"


@pytest.mark.parametrize(
    "times",
    [
        "0:01:10,5 --> 0:01:12,0",
        "00:01:10.500-->00:01:12.000",
        "01:10 --> 01:12",
        "00:01:10,500 -> 00:01:12,000",
    ],
)
def test_times_in_many_spellings(times: str) -> None:
    assert read("a.srt", f"1\n{times} X1:100 X2:200\nThe mill\n")[0] == [("The mill\n", "00:01:10")]


def test_lines_of_chinese_and_japanese_are_joined_without_a_space() -> None:
    assert text_of("a.srt", srt("水車小\n屋は休み。\nまた来る", "太郎は\n- はい", "水車\nWeir")) == (
        "水車小屋は休み。 また来る\n太郎は\n- はい\n水車 Weir\n"
    )
    assert text_of("a.srt", srt("물레방앗간은\n쉽니다")) == "물레방앗간은 쉽니다\n"
