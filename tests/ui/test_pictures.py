"""Pictures of the page over the sample library, for docs/images. Run with ``ME5_SCREENSHOTS=1``."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import add_and_wait, serving

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
QUERY = "#query textarea, #query input"
QUESTION = "Wie viele Becher Tee werden am Bahnhof jeden Tag verkauft?"
ARABIC_QUESTION = "كم تكلفة سرير في مقصورة لشخصين في القطار الليلي؟"
PDF_QUESTION = "Почему мельница работает по луне, а не по солнцу?"
MAX_BYTES = 200_000
SIZES = [("", 1280, 1180, False), ("-dark", 1280, 1180, True), ("-phone", 390, 1400, False)]
PATIENCE_MS = 300_000  # pictures may be taken on a busy machine, and are not about its speed
GERMAN_FRENCH = (
    ("Der Hafen öffnet um sechs Uhr morgens.", "Le port ouvre à six heures du matin."),
    ("Jedes Schiff meldet sich beim Hafenmeister, bevor es anlegt.", "Chaque navire se présente au maître de port avant d'accoster."),
    ("Die Gebühr für eine Nacht beträgt drei Mark.", "La taxe pour une nuit est de trois marks."),
    ("Bei Nebel läutet die Glocke am Leuchtturm.", "Par temps de brouillard, la cloche du phare sonne."),
    ("Fischer dürfen ihre Netze am Nordkai trocknen.", "Les pêcheurs peuvent sécher leurs filets sur le quai nord."),
    ("Hunde sind an der Leine zu führen.", "Les chiens doivent être tenus en laisse."),
    ("Das Baden im Hafenbecken ist verboten.", "La baignade dans le bassin du port est interdite."),
    ("Kohle wird nur am Südkai geladen.", "Le charbon n'est chargé qu'au quai sud."),
    ("Der Lotse kommt bei Flut an Bord.", "Le pilote monte à bord à marée haute."),
    ("Im Winter schließt die Schleuse am Abend.", "En hiver, l'écluse ferme le soir."),
    ("Wer Öl verliert, zahlt die Reinigung.", "Celui qui perd de l'huile paie le nettoyage."),
    ("Trinkwasser gibt es am Brunnen neben dem Zollhaus.", "On trouve de l'eau potable à la fontaine près de la douane."),
    ("Die Fähre zur Insel fährt jede Stunde.", "Le bac pour l'île part toutes les heures."),
    ("Kinder unter sechs Jahren fahren kostenlos.", "Les enfants de moins de six ans voyagent gratuitement."),
    ("Das Feuer auf der Mole brennt die ganze Nacht.", "Le feu du môle brûle toute la nuit."),
    ("Waren aus Übersee werden im Speicher gelagert.", "Les marchandises d'outre-mer sont stockées à l'entrepôt."),
    ("Der Kran hebt Lasten bis zu vier Tonnen.", "La grue soulève des charges allant jusqu'à quatre tonnes."),
    ("Bei Sturm bleiben alle Boote im Hafen.", "En cas de tempête, tous les bateaux restent au port."),
)  # fmt: skip
"""Translations that are mined and reviewed in the picture."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        os.environ.get("ME5_SCREENSHOTS") != "1", reason="set ME5_SCREENSHOTS=1 to take pictures"
    ),
    pytest.mark.skipif(not (ROOT / "examples" / "library").is_dir(), reason="examples/library is missing"),
]


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


def shoot(page: Any, name: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size <= MAX_BYTES, f"{path.name} has {path.stat().st_size:,} bytes"


def ask(page: Any, words: str) -> None:
    page.fill(QUERY, words)
    page.press(QUERY, "Enter")
    expect(page.locator("#status .status")).to_be_visible()


@pytest.fixture
def sample_page(fresh_server: str, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Opens the page over a collection with the sample library."""
    page = open_page(fresh_server)
    expect(page.locator("#try-samples")).to_be_visible()
    shoot(page, "empty")
    page.locator("#try-samples").click()
    expect(page.locator("#jobs .job.running, #jobs .job.done").first).to_be_visible()
    shoot(page, "indexing")
    expect(page.locator("#jobs .job.done")).to_contain_text("added", timeout=5 * PATIENCE_MS)
    page.locator("[data-dismiss]").click()
    expect(page.locator("#jobs .job")).to_have_count(0)
    return lambda *args, **options: open_page(fresh_server, *args, **options)


def test_pictures(sample_page: Callable[..., Any]) -> None:
    for name, width, height, dark in (
        ("", 1280, 800, False),
        ("-dark", 1280, 800, True),
        ("-phone", 390, 844, False),
    ):
        page = sample_page(width, height, dark=dark)
        ask(page, QUESTION)
        if not page.locator("#results > * .card:visible").count():
            page.locator("details.weak summary").click()
        shoot(page, f"search{name}")
        page.locator(".card:visible").first.click()
        expect(page.locator("#preview .chosen")).to_be_in_viewport()
        shoot(page, f"preview{name}")
        page.get_by_role("tab", name="Library").click()
        expect(page.locator("#documents tbody tr").first).to_be_visible()
        shoot(page, f"library{name}")
    page = sample_page()
    ask(page, ARABIC_QUESTION)
    page.locator(".card:visible").first.click()
    expect(page.locator("#preview .chosen")).to_be_in_viewport()
    shoot(page, "arabic")
    page = sample_page()
    ask(page, PDF_QUESTION)
    card = page.locator(".card", has_text="pdf").first
    if not card.is_visible():
        page.locator("details.weak summary").click()
    card.click()
    expect(page.locator("#page-image img")).to_be_in_viewport()
    shoot(page, "pdf")
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filter-language")).to_be_visible()
    shoot(page, "filters")


@pytest.fixture(scope="module")
def worked_in(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[str]:
    """A page after some work: two runs on the sample library, before and after measured, two reviews."""
    from gradio_client import Client

    with serving(tmp_path_factory.mktemp("pictures") / "data", model) as url:
        library = sorted(path for path in (ROOT / "examples" / "library").rglob("*") if path.is_file())
        add_and_wait(url, library, seconds=900)
        client = Client(url, verbose=False)
        draft = of_kind(client.predict("library", api_name="/train_pairs_of_collection"), "usable")["pairs"]
        for title, settings in (("Sample library", {}), ("Sample library, slower", {"learning_rate": 1e-4})):
            run = client.predict(draft, "search", model, title, settings, api_name="/train_start")["run"]
            waited(lambda run=run: client.predict(run, api_name="/train_run")["state"] == "done")
        client.predict("sample-library", "register", api_name="/train_act")
        models, tasks = (
            [model, "sample-library"],
            [str(ROOT / "examples" / "evaluation" / "sample-questions")],
        )
        client.predict(models, tasks, "", 0, "", api_name="/evaluate")
        waited(lambda: "sample-library" in exported(client))
        folder = tmp_path_factory.mktemp("speeches")
        for side, text in zip(("de", "fr"), zip(*GERMAN_FRENCH, strict=True), strict=True):
            (folder / f"Hafen.{side}.txt").write_text("\n".join(text), encoding="utf-8")
        notices = ROOT / "examples" / "parallel"
        review(client, folder / "Hafen.de.txt", folder / "Hafen.fr.txt")
        review(client, notices / "notices.ar.txt", notices / "notices.zh.txt")
        client.close()
        yield f"{url}/?pairs={draft}"


def of_kind(answer: Any, key: str) -> dict[str, Any]:
    """The values among the outputs of an endpoint that have the key."""
    values = answer if isinstance(answer, tuple | list) else [answer]
    return dict(next(value for value in values if isinstance(value, dict) and key in value))


def waited(is_so: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1_800):
        if is_so():
            return
        waiting.wait(0.5)
    raise AssertionError("it did not come about within a quarter of an hour")


def exported(client: Any) -> str:
    """All that was measured, as the page exports it."""
    return Path(client.predict(api_name="/export_evaluations_json")).read_text("utf-8")


def review(client: Any, source: Path, target: Path) -> None:
    """Mine two files, accept the twelve best pairs and reject the next."""
    from gradio_client import handle_file

    filters = ("", "", "", "best", "")
    answer = client.predict(
        "two files", handle_file(source), handle_file(target), None, None, "library", False, "builtin", "",
        "ratio", "max", True, True, "", "", *filters, api_name="/parallel_start",
    )  # fmt: skip
    bitext = of_kind(answer, "bitext")["bitext"]
    texts = lambda: client.predict(api_name="/parallel_texts")  # noqa: E731  # asked again and again
    waited(lambda: "pairs" in next(one for one in texts() if one["bitext"] == bitext))
    best = client.predict(bitext, "", "", "best", 0, api_name="/parallel_pairs")
    numbers = [pair["number"] for pair in best]
    client.predict(bitext, numbers[:12], "accepted", api_name="/parallel_decide")
    client.predict(bitext, numbers[12:13], "rejected", api_name="/parallel_decide")


@pytest.mark.parametrize(("name", "width", "height", "dark"), SIZES)
def test_pictures_of_work(
    worked_in: str, open_page: Callable[..., Any], name: str, width: int, height: int, dark: bool
) -> None:
    for tab, view, shown in (
        ("train-form", "&tab=train&run=new", "dl.estimate"),
        ("train", "&tab=train&run=sample-library", "figure.chart"),
        ("compare", "&tab=train&run=compare:sample-library,sample-library-slower", "article.compare .chart"),
        ("evaluate", "&tab=evaluate", "#evaluate-detail h2"),
        ("parallel", "&tab=parallel", ".bt-pairs > li"),
    ):
        page = open_page(worked_in + view, width, height, dark=dark)
        expect(page.locator(shown).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if tab == "evaluate":
            expect(page.locator("#evaluate-detail")).to_contain_text("points")
        shoot(page, f"{tab}{name}")
