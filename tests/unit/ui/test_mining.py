"""The service of the tab Parallel text: runs, files of pairs, the line, exports."""

import errno
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from indexer.bitext.formats import FORMATS, write_pairs
from indexer.bitext.reviews import Bitext
from indexer.bitext.run import size_notices
from indexer.bitext.segmenters import SegmenterName, icu_spans, segmenter
from indexer.bitext.values import Pair, Sentence
from indexer.catalog import Catalog
from indexer.errors import MiningError, ReadError
from trainer.run.records import read_json, write_json
from ui.bitext_exports import export, pairs_of, write_training_pairs
from ui.mining_job import _read_side, main
from ui.services import parallel as mining
from ui.services.access import Access
from ui.services.parallel import MiningRefusedError, Request, read_pairs_file, write_pairs_file
from ui.services.reviews import Bitexts, estimated_precision
from ui.tabs.parallel_page import draw

WANTED = Request("", "", "", "builtin")
CONTRACT: dict[str, Any] = {
    "model": "builtin", "contract": "", "contract_digest": "", "dimension": 2, "created_at": 1.0
}  # fmt: skip
PAIRS = (
    Pair("Guten Morgen.", "صباح الخير.", 1.5, "de", "ar"),
    Pair("Drei Schiffe.", "ثلاث سفن.", 1.2, "de", "ar", flags=("numbers",)),
    Pair("Der Hund.", "قطة.", 0.9, "de", "ar"),
)


@pytest.fixture
def bitexts(tmp_path: Path) -> Iterator[Bitexts]:
    catalog = Catalog.open(tmp_path / "catalog.sqlite3")
    library: Any = SimpleNamespace(catalog=catalog, models=list, model="builtin")
    yield Bitexts(library, Access(tmp_path))
    catalog.close()


@pytest.fixture
def launched(bitexts: Bitexts, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Runs that were started, as folders; their process is this one."""
    folders: list[Path] = []

    def launch(folder: Path) -> None:
        own = psutil.Process()
        write_json(
            folder / "result.json",
            {"state": "running", "pid": own.pid, "process_created_at": own.create_time(), "started_at": 1.0},
        )
        folders.append(folder)

    monkeypatch.setattr(bitexts.runs, "_launch", launch)
    return folders


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "hafen deutsch.txt", tmp_path / "ميناء.txt"
    for path, words in zip(paths, ("Guten Morgen.\n", "صباح الخير.\n"), strict=True):
        path.write_text(words, encoding="utf-8")
    return paths


@pytest.fixture
def reviewed(bitexts: Bitexts) -> Bitext:
    bitexts.catalog.bitexts.put(Bitext("b", "port", "mined", "de", "ar", 1.0, 5.0), PAIRS)
    return bitexts.get("b")


def finish(job: mining.Job, pairs: tuple[Pair, ...] = PAIRS) -> None:
    write_pairs_file(job.folder / "pairs.jsonl", pairs)
    said = {"state": "done", "languages": ["de", "ar"], "threshold": 1.0, "details": {"cap": None}}
    write_json(job.folder / "result.json", said)


def test_a_run_is_kept_as_files_and_its_pairs_move_into_the_catalog(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path]
) -> None:
    job = bitexts.runs.start_files(*sides, WANTED)
    assert (job.state, job.request.name) == ("running", "hafen deutsch.txt and ميناء.txt")
    assert (job.folder / job.request.target).read_text("utf-8") == "صباح الخير.\n"
    bitexts.collect_finished()
    assert bitexts.all() == []
    finish(job)
    bitexts.collect_finished()
    bitexts.catalog.bitexts.decide(job.id, [0], "accepted")
    bitexts.collect_finished()  # again: decisions stay
    [found] = bitexts.all()
    assert (found.kind, found.source_language, found.threshold) == ("mined", "de", 1.0)
    assert [pair.source for pair in pairs_of(bitexts.catalog, found, "accepted")] == ["Guten Morgen."]


def test_a_run_that_ends_while_the_page_is_drawn_is_shown_by_the_next_drawing(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bitexts.runs.start_files(*sides, WANTED)
    look = bitexts.runs.all

    def end_after_a_look() -> list[mining.Job]:
        found = look()
        if found[0].state == "running":
            finish(job)
        return found

    monkeypatch.setattr(bitexts.runs, "all", end_after_a_look)
    tab: Any = SimpleNamespace(bitexts=bitexts, outputs=[None] * 10)
    said = ("", "", "", "best", "")
    *_, timer, seen = draw(tab, job.id, "", 0, *said)
    assert timer.active  # so there is a next drawing
    _, line, _, results, *_, timer, _ = draw(tab, job.id, seen, 0, *said)
    assert (line, results.visible, timer.active) == ("", True, False)


def test_one_run_at_a_time(bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path]) -> None:
    bitexts.runs.start_files(*sides, WANTED)
    with pytest.raises(MiningRefusedError, match="searched already"):
        bitexts.runs.start_files(*sides, WANTED)
    assert len(launched) == 1


def test_a_process_that_is_gone_broke_off_and_goes_on(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path]
) -> None:
    job = bitexts.runs.start_files(*sides, WANTED)
    said = read_json(job.folder / "result.json")
    write_json(job.folder / "result.json", said | {"process_created_at": 5.0})
    found = bitexts.runs.get(job.id)
    assert found is not None and found.state == "interrupted"
    bitexts.runs.go_on(job.id)
    assert launched == [job.folder, job.folder]


@pytest.mark.parametrize(
    ("content", "words"), [("", "is empty"), ("Guten Morgen.\n", "same content"), (None, "is missing")]
)
def test_what_cannot_be_mined_is_refused_before_the_start(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path], content: str | None, words: str
) -> None:
    target = None
    if content is not None:
        target = sides[1]
        target.write_text(content, encoding="utf-8")
    with pytest.raises(MiningRefusedError, match=words):
        bitexts.runs.start_files(sides[0], target, WANTED)
    assert not launched and bitexts.runs.all() == []


def test_two_languages_of_a_collection_must_differ(bitexts: Bitexts) -> None:
    with pytest.raises(MiningRefusedError, match="Both sides are 'de'"):
        bitexts.runs.start_collection("library", "de", "de", WANTED)


def test_texts_in_order_are_not_drawn_from(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path]
) -> None:
    with pytest.raises(MiningRefusedError, match="Draw 0, which takes all, or untick the order"):
        bitexts.runs.start_files(*sides, replace(WANTED, aligned=True, sample=5))
    assert not launched and bitexts.runs.all() == []


def test_a_segmenter_that_is_missing_is_said_before_the_start(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "icu4py.breakers", None)
    wanted = replace(WANTED, segmenter="icu")
    bitexts.catalog.collections.create("port", **CONTRACT)
    for begin in (
        lambda: bitexts.runs.start_files(*sides, wanted),
        lambda: bitexts.runs.start_collection("port", "de", "ar", wanted),
    ):
        with pytest.raises(MiningError, match="me5-search\\[segmenter"):
            begin()
    assert not launched and bitexts.runs.all() == []


def test_passages_of_a_collection_are_cut_by_the_chosen_segmenter(
    bitexts: Bitexts, launched: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = []

    def sentences(catalog: Any, collection: str, language: str, *, segment: Any) -> Iterator[Sentence]:
        cut.append(segment)
        yield Sentence("Guten Morgen.", language)

    pytest.importorskip("icu4py", reason="needs the extra 'segmenter'")
    monkeypatch.setattr("indexer.bitext.sources.collection_sentences", sentences)
    bitexts.catalog.collections.create("port", **CONTRACT)
    bitexts.runs.start_collection("port", "de", "ar", replace(WANTED, segmenter="icu"))
    assert cut == [icu_spans, icu_spans]


def test_a_full_disk_is_said_in_words(
    bitexts: Bitexts, launched: list[Path], sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mining.shutil, "copyfile", full)
    with pytest.raises(MiningRefusedError, match="the disk is full"):
        bitexts.runs.start_files(*sides, WANTED)


@pytest.mark.parametrize("identity", ["../x", "", "a/b", "..", "nothing"])
def test_odd_names_are_no_runs(bitexts: Bitexts, identity: str) -> None:
    assert bitexts.runs.get(identity) is None
    bitexts.remove(identity)
    assert bitexts.runs.folder.parent.is_dir()


@pytest.fixture
def brought(bitexts: Bitexts, tmp_path: Path) -> Bitext:
    """Pairs without scores, as a person brings them."""
    lines = "".join(f"{pair.source}\t{pair.target}\n" for pair in PAIRS)
    (tmp_path / "imported.tsv").write_text(f"source\ttarget\n{lines}", encoding="utf-8")
    return bitexts.open_pairs(tmp_path / "imported.tsv")


def test_brought_pairs_get_scores_and_keep_what_was_decided(
    bitexts: Bitexts, launched: list[Path], brought: Bitext
) -> None:
    assert brought.threshold is None and bitexts.summary(brought) is None
    job = bitexts.score(brought.id)
    assert (job.id, job.state, launched) == (brought.id, "running", [job.folder])
    with pytest.raises(MiningRefusedError, match="being scored already"):
        bitexts.score(brought.id)
    given = list(read_pairs_file(job.folder / job.request.source))
    assert [pair.source for pair in given] == [pair.source for pair in PAIRS]
    bitexts.catalog.bitexts.decide(brought.id, [2], "rejected")  # meanwhile
    bitexts.catalog.bitexts.edit_pair(brought.id, 0, "Guten Tag.", given[0].target)
    finish(job)
    bitexts.collect_finished()
    found = bitexts.get(brought.id)
    assert (found.threshold, found.details, found.name) == (1.0, {"cap": None}, brought.name)
    assert found.revision > brought.revision and bitexts.runs.get(job.id) is None
    pairs = list(bitexts.catalog.bitexts.iter_pairs(found.id))
    assert [(pair.score, pair.flags) for pair in pairs] == [(pair.score, pair.flags) for pair in PAIRS]
    assert [pair.state for pair in pairs] == ["accepted", "open", "rejected"]
    assert [pair.source for pair in pairs] == ["Guten Tag.", *(pair.source for pair in PAIRS[1:])]
    summary = bitexts.summary(found)
    assert summary is not None and (summary.above, summary.scored) == (2, 3)
    assert bitexts.catalog.bitexts.undo(found.id) == [0]


def test_only_brought_pairs_are_scored_and_cancelling_leaves_them(
    bitexts: Bitexts, launched: list[Path], reviewed: Bitext, brought: Bitext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MiningRefusedError, match="have scores"):
        bitexts.score(reviewed.id)
    monkeypatch.setattr(mining.child_runs, "cancel", lambda folder: None)  # the process is this one
    job = bitexts.score(brought.id)
    bitexts.runs.cancel(job.id)
    assert bitexts.runs.all() == [] and bitexts.get(brought.id) == brought
    bitexts.score(brought.id)
    bitexts.remove(brought.id)
    assert bitexts.runs.all() == [] and bitexts.all() == [reviewed]


def test_flags_of_others_stay_when_pairs_are_scored(
    bitexts: Bitexts, launched: list[Path], tmp_path: Path
) -> None:
    pairs = [replace(PAIRS[0], flags=("numbers", "ask Ana"))]
    write_pairs(tmp_path / "p.jsonl", pairs, format="jsonl", source_language="de", target_language="ar")
    job = bitexts.score(bitexts.open_pairs(tmp_path / "p.jsonl").id)
    assert next(read_pairs_file(job.folder / job.request.source)).flags == ("ask Ana",)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_format_comes_back_for_review(
    bitexts: Bitexts, reviewed: Bitext, tmp_path: Path, kind: str
) -> None:
    bitexts.catalog.bitexts.decide("b", [1], "rejected")
    path = export(bitexts.catalog, bitexts.get("b"), kind, "all", tmp_path / "out" / "pairs")
    brought = bitexts.open_pairs(path)
    found = list(pairs_of(bitexts.catalog, brought, "all"))
    assert [(pair.source, pair.target) for pair in found] == [(pair.source, pair.target) for pair in PAIRS]
    assert (brought.source_language, brought.target_language) == ("de", "ar")
    if kind != "moses":  # which holds sentences only
        assert [pair.state for pair in found] == ["open", "rejected", "open"]
        assert [pair.score for pair in found] == pytest.approx([1.5, 1.2, 0.9])
    assert not (bitexts.runs.folder / brought.id).exists()


def test_scopes_of_an_export(bitexts: Bitexts, reviewed: Bitext) -> None:
    bitexts.catalog.bitexts.decide("b", [1], "rejected")
    bitexts.catalog.bitexts.decide("b", [2], "accepted")

    def numbers(scope: str) -> list[float]:
        return [pair.score for pair in pairs_of(bitexts.catalog, reviewed, scope)]

    assert numbers("accepted") == [0.9]  # though it is below the line
    assert numbers("above") == [1.5, 0.9]
    assert numbers("all") == [1.5, 1.2, 0.9]


def test_an_export_of_nothing_says_what_to_do(bitexts: Bitexts, reviewed: Bitext, tmp_path: Path) -> None:
    with pytest.raises(MiningRefusedError, match=r"no accepted pairs.*Accept pairs first"):
        export(bitexts.catalog, bitexts.get("b"), "tmx", "accepted", tmp_path / "out" / "pairs")
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(MiningRefusedError, match="cannot be written as 'exe'"):
        export(bitexts.catalog, bitexts.get("b"), "exe", "all", tmp_path / "out" / "pairs")


def test_a_file_without_pairs_leaves_nothing_behind(bitexts: Bitexts, tmp_path: Path) -> None:
    for name, content, error in (("empty.jsonl", "", MiningRefusedError), ("bad.tmx", "<tmx", ReadError)):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(error):
            bitexts.open_pairs(tmp_path / name)
    assert bitexts.all() == []


def test_what_a_file_lacks_is_left_out_and_counted(bitexts: Bitexts, tmp_path: Path) -> None:
    path = tmp_path / "imported.tsv"
    path.write_text("a\tA\nalone\nb\t\nc\tC\n", encoding="utf-8")
    brought = bitexts.open_pairs(path)
    assert bitexts.catalog.bitexts.count_pairs(brought.id) == 2
    assert bitexts.get(brought.id).details["dropped"] == {"damaged": 1, "empty side": 1}


def test_an_archive_of_other_files_is_refused(bitexts: Bitexts, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("../a.de", "b.ar", "c.txt"):
            archive.writestr(name, "x\n")
    with pytest.raises(MiningRefusedError, match="holds 3 files"):
        bitexts.open_pairs(tmp_path / "x.zip")
    assert not (tmp_path / "a.de").exists()


def test_training_pairs_are_what_the_trainer_takes(
    bitexts: Bitexts, reviewed: Bitext, tmp_path: Path
) -> None:
    path = write_training_pairs(bitexts.catalog, bitexts.get("b"), "above", tmp_path / "pairs")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert rows[0] == {"query": "Guten Morgen.", "passage": "صباح الخير."} and len(rows) == 2
    with pytest.raises(MiningRefusedError, match="no accepted pairs"):
        write_training_pairs(bitexts.catalog, bitexts.get("b"), "accepted", tmp_path / "pairs")


def test_the_line(bitexts: Bitexts, reviewed: Bitext) -> None:
    found = bitexts.summary(reviewed)
    assert found is not None and (found.above, found.scored, found.estimated) == (2, 3, None)
    bitexts.move_line("b", 0.9)  # a pair on the line is above
    found = bitexts.summary(bitexts.get("b"))
    assert found is not None and found.above == 3
    with pytest.raises(MiningRefusedError, match="threshold cannot be"):
        bitexts.move_line("b", float("nan"))


def test_precision_is_the_mean_chance_above_the_line() -> None:
    bitext = Bitext("b", "", "mined", details={"chances": [[1.0, 0.0], [2.0, 1.0]]})
    scores = np.array([1.0, 1.5, 2.0], np.float32)
    assert estimated_precision(bitext, scores, 1.0) == pytest.approx(0.5)
    assert estimated_precision(bitext, scores, 1.4) == pytest.approx(0.75)
    assert estimated_precision(bitext, scores, 3.0) is None
    assert estimated_precision(replace(bitext, details={}), scores, 1.0) is None


def test_time_left_follows_the_pace() -> None:
    job = mining.Job("j", Path("j"), WANTED, "running", "encoding", 0.25, started_at=100.0)
    assert job.seconds_left(110.0) == pytest.approx(30.0)
    assert replace(job, share=None).seconds_left(110.0) is None


# -- the process ---------------------------------------------------------------------------------------------


def ask(folder: Path, texts: tuple[str, str], **changes: Any) -> dict[str, Any]:
    """Run the job of a folder in this process; what its result says."""
    for side, text in zip(("source", "target"), texts, strict=True):
        (folder / side).mkdir(parents=True)
        (folder / side / "t.txt").write_text(text, encoding="utf-8")
    request = Request("x", "source/t.txt", "target/t.txt", "builtin", created_at=time.time(), **changes)
    write_json(folder / "request.json", asdict(request))
    code = main(folder, "builtin")
    said = read_json(folder / "result.json")
    assert (code == 0) == (said["state"] == "done")
    return said


@pytest.fixture(scope="module")
def sample() -> tuple[str, str]:
    if not (mining.ROOT / "me5" / "builtin" / "config.json").exists():
        pytest.skip("the built-in model is missing")
    return mining.SAMPLE[0].read_text("utf-8"), mining.SAMPLE[1].read_text("utf-8")


def test_the_process_finds_pairs_and_says_how_sure_it_is(tmp_path: Path, sample: tuple[str, str]) -> None:
    said = ask(tmp_path, sample)
    assert (said["state"], said["languages"]) == ("done", ["ar", "zh"])
    curve = np.array(said["details"]["chances"])
    assert np.all(np.diff(curve[:, 0]) > 0) and np.all(np.diff(curve[:, 1]) >= 0)
    rows = list(read_pairs_file(tmp_path / "pairs.jsonl"))
    scores = [pair.score for pair in rows]
    assert scores == sorted(scores, reverse=True) and scores[-1] <= said["threshold"] < scores[0]


def test_the_process_draws_sentences_of_the_first_side(tmp_path: Path, sample: tuple[str, str]) -> None:
    def drawn(name: str, seed: int) -> set[str]:
        said = ask(tmp_path / name, sample, sample=20, seed=seed)
        sizes = [len(side.splitlines()) for side in sample]
        assert said["details"]["sentences"] == [20, sizes[1]] and said["details"]["drawn_from"] == sizes[0]
        assert said["details"]["notices"] == []  # both files are of a size
        return {pair.source for pair in read_pairs_file(tmp_path / name / "pairs.jsonl")}

    first = drawn("a", 1)
    assert len(first) >= 10 and first <= set(sample[0].splitlines())
    assert drawn("b", 1) == first != drawn("c", 2)
    said = ask(tmp_path / "all", sample, sample=10_000)
    assert "drawn_from" not in said["details"]


@pytest.mark.parametrize(("name", "count"), [("rules", 2), ("icu", 3)])
def test_the_process_cuts_running_text_as_asked(tmp_path: Path, name: SegmenterName, count: int) -> None:
    if name == "icu":
        pytest.importorskip("icu4py", reason="needs the extra 'segmenter'")
    text = (
        "Der alte Hafen wurde gestern von Dr. Müller wieder\ngeöffnet. Viele Menschen kamen, um ihn zu sehen."
    )
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    assert len(_read_side(tmp_path / "t.txt", "de", segmenter(name))) == count


def test_the_process_aligns_texts_in_order(tmp_path: Path, sample: tuple[str, str]) -> None:
    arabic, chinese = (side.splitlines()[:12] for side in sample)
    said = ask(tmp_path, ("\n".join(arabic), "\n".join(chinese)), aligned=True)
    assert said["state"] == "done"
    assert list(read_pairs_file(tmp_path / "pairs.jsonl"))
    assert (tmp_path / "work" / "batches.f32").stat().st_size  # a run that was killed goes on from there


def test_the_process_scores_pairs_in_their_order(tmp_path: Path, sample: tuple[str, str]) -> None:
    assert ask(tmp_path / "mined", sample)["state"] == "done"
    mined = list(read_pairs_file(tmp_path / "mined" / "pairs.jsonl"))[:60]
    given = [Pair(pair.source, pair.target) for pair in mined]
    given[5] = replace(given[5], target=given[40].target, state="accepted")
    folder = tmp_path / "scored"
    folder.mkdir()
    write_pairs_file(folder / "given.jsonl", given)
    write_json(folder / "request.json", asdict(Request("x", "given.jsonl", "", "builtin", scored=True)))
    assert main(folder, "builtin") == 0
    said, pairs = read_json(folder / "result.json"), list(read_pairs_file(folder / "pairs.jsonl"))
    assert [(pair.source, pair.target) for pair in pairs] == [(pair.source, pair.target) for pair in given]
    assert pairs[5].score == min(pair.score for pair in pairs) < said["threshold"] and pairs[5].cosine < 0.9
    assert pairs[5].state == "accepted" and said["details"]["model"] == "builtin"


@pytest.mark.parametrize("aligned", [False, True])
def test_the_process_says_what_is_wrong(tmp_path: Path, sample: tuple[str, str], aligned: bool) -> None:
    lines = sample[1].splitlines()
    said = ask(tmp_path, ("\n".join(lines[::2]), "\n".join(lines[1::2])), aligned=aligned)
    assert said["state"] == "failed" and "same language" in said["message"]


def test_a_full_disk_in_the_process_is_said_in_words(
    tmp_path: Path, sample: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("ui.mining_job.write_pairs_file", full)
    said = ask(tmp_path, sample)
    assert said["state"] == "failed" and "disk is full" in said["message"]


def test_sides_of_very_different_size_are_noticed() -> None:
    assert "differ much" in size_notices(10, 101)[0]
    assert size_notices(10, 99) == () == size_notices(0, 50)
