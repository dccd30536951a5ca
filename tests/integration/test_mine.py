"""The verb ``mine`` from files to files, and mining that is killed in the middle."""

import json
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import app
from indexer.bitext.formats import read_pairs
from indexer.bitext.values import Pair
from trainer.run.records import read_json, write_json
from ui.mining_job import main as page_job
from ui.services.parallel import Request, read_pairs_file

ROOT = Path(__file__).resolve().parents[2]
CHILD = ROOT / "tests" / "support" / "bitext_child.py"
GERMAN = [
    "Die Bibliothek öffnet um neun Uhr morgens.",
    "Der Hafen wurde im Jahr 1894 gebaut.",
    "Meine Mutter kocht heute Abend Suppe.",
    "Der Zug nach Berlin fährt um 17:30 Uhr ab.",
    "Im Winter liegt auf den Bergen viel Schnee.",
    "Der Arzt sagte, ich solle mehr Wasser trinken.",
    "Die Kinder spielen im Garten mit dem Hund.",
    "Wir haben gestern einen guten Film gesehen.",
]
ENGLISH = [
    "The library opens at nine in the morning.",
    "The harbour was built in 1894.",
    "My mother is cooking soup tonight.",
    "The train to Berlin leaves at 5:30 pm.",
    "In winter there is a lot of snow on the mountains.",
    "The doctor told me to drink more water.",
    "The children are playing in the garden with the dog.",
    "We saw a good film yesterday.",
]


def write(path: Path, lines: list[str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    english = ENGLISH[:]
    random.Random(3).shuffle(english)
    return [write(tmp_path / "de.txt", GERMAN), write(tmp_path / "en.txt", english)]


def run(*words: str, data: Path) -> int:
    return app.main(["mine", *words, "--data", str(data)])


def test_two_files_become_a_tmx(sides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pairs.tmx"
    assert run(*sides, "--out", str(out), "--json", data=tmp_path) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["source_language"] == "de" and summary["target_language"] == "en"
    assert summary["sentences"] == [8, 8] and summary["method"] == "default"
    pairs = list(read_pairs(out))
    right = dict(zip(GERMAN, ENGLISH, strict=True))
    assert len(pairs) == summary["pairs"] and sum(right[one.source] == one.target for one in pairs) >= 5
    assert not out.with_name("pairs.tmx.work").exists()


def test_jsonl_rows_keep_the_contract_and_pairs_are_scored_again(
    sides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pairs.jsonl"
    languages = ("--source-language", "de", "--target-language", "en")
    assert (
        run(
            *sides, "--out", str(out), "--threshold", "0.2", "--margin", "absolute", *languages, data=tmp_path
        )
        == 0
    )
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows and all({"source", "target", "score"} <= row.keys() and row["score"] >= 0.2 for row in rows)
    assert "pairs de–en of 8 and 8 sentences" in capsys.readouterr().out
    again = tmp_path / "again.tsv"
    assert run(str(out), "--out", str(again), "--margin", "absolute", data=tmp_path) == 0
    assert [one.source for one in read_pairs(again)] == [row["source"] for row in rows]


def test_ordered_texts_are_aligned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two sentences of the one text are one of the other; both folders hold the same two documents."""
    joined = [GERMAN[0], f"{GERMAN[1][:-1]}, und {GERMAN[2]}", *GERMAN[3:]]
    write(tmp_path / "de" / "bericht.de.txt", joined)
    write(tmp_path / "en" / "bericht.en.txt", ENGLISH)
    out = tmp_path / "aligned.tsv"
    names = [str(tmp_path / "de" / "bericht.de.txt"), str(tmp_path / "en" / "bericht.en.txt")]
    assert run(*names, "--align", "--lines", "--out", str(out), data=tmp_path) == 0
    pairs = list(read_pairs(out))
    assert pairs[0].source == GERMAN[0] and pairs[0].target == ENGLISH[0]
    folders = [str(tmp_path / "de"), str(tmp_path / "en")]
    assert run(*folders, "--align", "--lines", "--out", str(out), "--json", data=tmp_path) == 0
    assert [one.source for one in read_pairs(out)] == [one.source for one in pairs]


@pytest.mark.parametrize("aligned", [False, True], ids=["mined", "aligned"])
def test_terminal_and_page_give_the_same_pairs_and_warnings(
    aligned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that differs is flagged, a sentence without a partner and sides of unlike size are told."""
    german = [
        *GERMAN,
        "Die neue Brücke über den Fluss ist 999 Meter lang.",
        "Niemand übersetzte diesen Satz.",
    ]
    english = [*ENGLISH, "The new bridge across the river is 503 metres long."]
    english += [f"The shop sells {n} {what}." for n in range(10) for what in ("apples", "red hats", "maps")]
    english += [f"On day {n} of the voyage the crew counted {n + 7} whales." for n in range(90)]
    names = [write(tmp_path / "source" / "t.txt", german), write(tmp_path / "target" / "t.txt", english)]
    out = tmp_path / "pairs.jsonl"
    least, align = ("-10", ["--align"]) if aligned else ("1.0", [])
    words = [*names, *align, "--threshold", least, "--out", str(out), "--json"]
    assert run(*words, data=tmp_path) == 0
    told = json.loads(capsys.readouterr().out)

    request = Request("x", "source/t.txt", "target/t.txt", "builtin", aligned=aligned, threshold=float(least))
    write_json(tmp_path / "request.json", asdict(request))
    assert page_job(tmp_path, "builtin") == 0
    said = read_json(tmp_path / "result.json")

    def seen(pair: Pair) -> tuple[object, ...]:
        return pair.source, pair.target, pair.source_language, round(pair.score, 4), tuple(pair.flags)

    of_page = list(read_pairs_file(tmp_path / "pairs.jsonl"))
    if not aligned:  # those that the page keeps for the review
        of_page = [pair for pair in of_page if pair.score >= float(least)]
    assert [seen(pair) for pair in read_pairs(out)] == [seen(pair) for pair in of_page]
    bridge = next(pair for pair in of_page if "999" in pair.source)
    assert "503" in bridge.target and "numbers" in bridge.flags
    assert told["dropped"] == said["details"]["dropped"]
    assert told["notices"] == said["details"]["notices"] != []
    assert not math.isnan(said["threshold"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (("", "b c d"), "empty"),
        (("\n".join(GERMAN), "\n".join(GERMAN[::-1])), "same language (de)"),
        ((None, "b c d"), "is not there"),
    ],
)
def test_trouble_is_said_in_one_line(
    make: tuple[str | None, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in zip(("a.txt", "b.txt"), make, strict=True):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
    out = tmp_path / "out.tmx"
    assert run(str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), "--out", str(out), data=tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1
    assert not out.exists()


def test_an_unknown_ending_is_refused_before_the_work(sides: list[str], tmp_path: Path) -> None:
    assert run(*sides, "--out", str(tmp_path / "pairs.docx"), data=tmp_path) == 1
    assert not list(tmp_path.glob("*.work"))


@pytest.mark.parametrize("words", [["--threshold", "much"], ["--drop", "nonsense"], ["--k", "0"]])
def test_wrong_options_exit_with_two(words: list[str], sides: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*sides, "--out", str(tmp_path / "o.tmx"), *words, data=tmp_path)
    assert stop.value.code == 2


def test_a_line_of_a_megabyte_and_right_to_left_text(sides: list[str], tmp_path: Path) -> None:
    arabic = ["تفتح المكتبة في الساعة التاسعة صباحا.", "تحمل الأنهار الطمي إلى البحر.", "كلمة " * 200_000]
    out = tmp_path / "pairs.tsv"
    source = write(tmp_path / "ar.txt", arabic)
    assert run(source, sides[1], "--lines", "--out", str(out), "--threshold", "0", data=tmp_path) == 0
    assert {one.source for one in read_pairs(out)} <= set(arabic[:2])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize(
    ("verb", "moments", "left"),
    [("mine", ("encode:4", "compare:1"), 0), ("align", ("encode:4", "encode:12", "encode:3"), 700)],
)
def test_a_killed_run_goes_on_where_it_was(
    verb: str, moments: tuple[str, ...], left: int, tmp_path: Path
) -> None:
    rng = random.Random(1)
    words = [f"{a}{b}" for a in ("hafen", "fluss", "turm") for b in "abcdefgh"]
    lines = [" ".join(rng.choices(words, k=8)) for _ in range(220)]
    other = [line for line in lines if rng.random() < 0.9]
    files = [write(tmp_path / name, side) for name, side in (("de.txt", lines), ("en.txt", other))]

    def run_child(work: str, moment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CHILD), verb, *files, str(tmp_path / work), moment]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=250, check=False
        )

    whole = run_child("clean", "never")
    assert whole.returncode == 0, whole.stderr
    everything, pairs, digest = whole.stdout.split()
    for moment in moments:
        assert run_child("work", moment).returncode == -signal.SIGKILL
    last = run_child("work", "never")
    assert last.returncode == 0, last.stderr
    again, *same = last.stdout.split()
    assert same == [pairs, digest] and int(everything) > 400
    assert int(again) == 0 if not left else 0 < int(again) <= int(everything) - left


def test_a_sample_of_the_source_is_mined_against_the_whole_target(
    sides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def mined(name: str, seed: str) -> set[str]:
        out = tmp_path / name
        words = ("--sample", "4", "--seed", seed, "--threshold", "0", "--out", str(out), "--json")
        assert run(*sides, *words, data=tmp_path) == 0
        assert json.loads(capsys.readouterr().out)["sentences"] == [4, 8]
        return {pair.source for pair in read_pairs(out)}

    first = mined("a.tsv", "0")
    assert first <= set(GERMAN) and len(first) >= 3
    assert mined("b.tsv", "0") == first and any(mined("c.tsv", seed) != first for seed in "123")
    again = tmp_path / "again.tsv"
    assert run(str(tmp_path / "a.tsv"), "--sample", "2", "--out", str(again), data=tmp_path) == 0
    assert len(list(read_pairs(again))) == 2
    capsys.readouterr()
    assert run(*sides, "--sample", "4", "--align", "--out", str(again), data=tmp_path) == 1
    assert "--align expects all of them" in capsys.readouterr().err


def test_a_segmenter_that_is_not_installed_says_how_to_install_it(
    sides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "icu4py.breakers", None)
    out = tmp_path / "pairs.tsv"
    assert run(*sides, "--segmenter", "icu", "--out", str(out), data=tmp_path) == 1
    assert "pip install 'me5-search[segmenter]'" in capsys.readouterr().err and not out.exists()
