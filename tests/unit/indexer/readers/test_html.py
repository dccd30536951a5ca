"""HTML as its reader sees it: what is hidden, what comes first, what stands for pictures and ruby."""

import pytest

from tests.support.reading import read, text_of, warnings_of

PAGE = """<html><head><title>Mill</title><style>{css}</style></head><body>{body}</body></html>"""


def page(body: str, css: str = "") -> str:
    return PAGE.format(css=css, body=body)


@pytest.mark.parametrize(
    "stated", ["Untitled", "New Page 1", "Sans titre", "index.html", "Microsoft Word - mill", ""]
)
def test_a_title_that_a_program_left_gives_way_to_the_heading(stated: str) -> None:
    text = PAGE.replace("Mill", stated).format(css="", body="<h1>The mill</h1><p>It is open.</p>")
    titles = [item.title for item in read("a.html", text)[1] if item.title]
    assert titles == ["The mill"]


@pytest.mark.parametrize(
    ("body", "css"),
    [
        ("<p style='color:red; Display : NONE'>secret</p>", ""),
        ("<p style='visibility:hidden'>secret</p>", ""),
        ("<p hidden>secret</p>", ""),
        ("<span aria-hidden='true'>secret</span>", ""),
        ("<template><p>secret</p></template>", ""),
        ("<p class='a off'>secret</p>", ".off{display:none}"),
        ("<p id=x>secret</p>", "/* } */ #x , .y { color: red; display:none !important }"),
        ("<div class=box><ul><li>secret</li></ul></div>", ".box li {display:none}"),
        ("<div class=box><p>secret</p></div>", "div.box > p {display:none}"),
        ("<div class=off><p>secret <b>too</b></p></div>", ".off{visibility:hidden}"),
        ("<p class=off>secret</p>", "@media screen { .off { display: none } }"),
        ("<p class=off style='display:block'>secret</p>", ".off { display: none !important }"),
        ("<p class=off>secret</p>", ".off{content:'}'; display:none} .off{color:red}"),
    ],
)
def test_what_a_page_hides_is_not_read(body: str, css: str) -> None:
    text = text_of("a.html", page(f"<p>The mill is open.</p>{body}tail", css))
    assert " ".join(text.split()) == "The mill is open. tail"


@pytest.mark.parametrize(
    ("body", "css"),
    [
        ("<p class='tab open'>shown</p>", ".tab{display:none} .tab.open{display:block}"),
        ("<p class=tab>shown</p>", ".tab{display:none} .tab{display:block}"),
        ("<p class=tab style='display:block'>shown</p>", ".tab{display:none}"),
        ("<p class=off>shown</p>", "@media print{.off{display:none}}"),
        ("<p class=off>shown</p>", ".off:hover{display:none} .off[x]{display:none}"),
        ("<div class=off><b class=on>shown</b></div>", ".off{visibility:hidden}.on{visibility:visible}"),
        ("<div class=box><div><p>shown</p></div></div>", ".box > p {display:none}"),
        ("<p hidden='until-found'>shown</p>", ""),
        ("<details><summary>shown</summary></details>", ""),
        ("<p aria-hidden='false'>shown</p>", ""),
    ],
)
def test_what_a_page_shows_is_read(body: str, css: str) -> None:
    assert "shown" in text_of("a.html", page(f"<p>The mill is open.</p>{body}", css))


def test_a_page_that_hides_everything_until_its_script_runs_is_read() -> None:
    assert text_of("a.html", page("<p>The mill</p>", "body{display:none} p{display:none}")) == "The mill\n"
    saved = "<div id=root aria-hidden=true><p>The mill is open on Sundays.</p></div><div role=dialog>OK</div>"
    assert "Sundays" in text_of("a.html", page(saved))


def test_words_for_browsers_without_scripts_are_read_only_where_there_is_nothing_else() -> None:
    note = "<noscript>Turn scripts on.</noscript>"
    assert text_of("a.html", page(note + "<p>The mill</p>")) == "The mill\n"
    assert text_of("a.html", page(note + "<div id=app></div>")) == "Turn scripts on.\n"
    frames = (
        "<frameset><frame src=menu.html><noframes><body>See <a>the list</a>.</body></noframes></frameset>"
    )
    assert text_of("a.html", frames).split() == ["See", "the", "list", "."]
    assert warnings_of("a.html", frames) == [
        "the frame 'menu.html' was not read: it is a file of its own, add it too"
    ]


def test_pictures_are_read_by_their_words() -> None:
    body = "<p>Left<img src=a.png alt='a stone weir'>right <img alt='IMG_12.JPG'><img></p>"
    assert text_of("a.html", page(body)) == "Left a stone weir right\n"
    drawing = "<svg><title>icon</title><g><text>Inlet</text><text>Out<tspan>let</tspan></text></g></svg>"
    assert text_of("a.html", page(f"<p>See {drawing} here</p>")) == "See Inlet Outlet here\n"
    formula = "<math><mi>v</mi><mo>=</mo><mn>3</mn><annotation>v=3</annotation></math>"
    assert text_of("a.html", page(f"<p>Speed {formula}.</p>")) == "Speed v=3.\n"


@pytest.mark.parametrize(
    "ruby",
    [
        "<ruby>水車<rt>すいしゃ</rt></ruby>小屋",
        "<ruby>水車<rp>（</rp><rt>すいしゃ</rt><rp>）</rp></ruby>小屋",
        "<ruby>水<rt>すい</rt>車<rt>しゃ</rt></ruby>小屋",
        "<ruby>水<rp>(<rt>すい<rp>)</rp>車<rt>しゃ</ruby>小屋",
        "<ruby><rb>水<rb>車<rt>すい<rt>しゃ</ruby>小屋",
        "<ruby><rb>水車</rb><rtc><rt>すいしゃ</rt></rtc></ruby>小屋",
    ],
)
def test_readings_of_ruby_do_not_cut_words(ruby: str) -> None:
    assert text_of("a.html", page(f"<p>{ruby}は古い。</p>")) == "水車小屋は古い。\n"


def test_soft_hyphens_are_removed_from_every_format() -> None:
    assert text_of("a.html", page("<p>Müh&shy;len&shy;rad</p>")) == "Mühlenrad\n"
    assert text_of("a.txt", "Müh\u00adlen\u00ad\nrad \u00ad\nNeu") == "Mühlenrad Neu"
    assert text_of("a.csv", "text\nMüh\u00adlenrad\n") == "Mühlenrad\n"


def test_what_the_page_is_about_comes_before_its_frame_and_nothing_is_lost() -> None:
    body = """<header><a href=/>Home</a></header><nav><h2>Menu</h2><a>Prices</a></nav>
    <div class="CookieBanner">We keep cookies.</div><div class="side-bar menu"><a>Map</a></div>
    <h1>The mill</h1><main><p>It grinds rye on Sundays and shows how flour was made.</p></main>
    <footer>Mill lane 4<h3>Phone</h3>555</footer>"""
    pieces, _ = read("a.html", page(body))
    assert pieces == [
        ("The mill\nIt grinds rye on Sundays and shows how flour was made.\n", "The mill"),
        ("Home\n", None),
        ("Menu\nPrices\n", "menus and footers › Menu"),
        ("We keep cookies.\n", "menus and footers"),
        ("Map\n", "menus and footers"),
        ("Mill lane 4\n", "menus and footers"),
        ("Phone\n555\n", "menus and footers › Phone"),
    ]


def test_articles_are_the_main_part_where_they_hold_most_of_the_page() -> None:
    body = "<div>Ticker</div><nav>Menu</nav><article><p>The mill grinds rye.</p><footer>By Ada</footer></article>"
    assert [text for text, _ in read("a.html", page(body))[0]] == [
        "The mill grinds rye.\nBy Ada\n",
        "Ticker\n",
        "Menu\n",
    ]
    body = (
        "<div>The post says much about mills, their wheels and their stones.</div><article>Me too!</article>"
    )
    assert text_of("a.html", page(body)).startswith("The post")


@pytest.mark.parametrize(
    "body",
    [
        "<div class=menu><p>Rye soup</p><p>Plum cake</p></div><p>Open at noon, closed on Mondays.</p>",
        "<div id=cookie-recipe><p>Beat butter and sugar, then fold in the flour.</p></div><p>Bake.</p>",
        "<nav><p>All of this page is in one element that is called a menu.</p></nav><p>End</p>",
    ],
)
def test_a_part_with_the_words_of_the_page_is_no_frame(body: str) -> None:
    assert len(read("a.html", page(body))[0]) == 1


def test_a_page_nested_too_deeply_is_read_as_far_as_it_goes_and_says_so() -> None:
    text = "<p>Top</p>" + "<div>" * 5000 + "deep"
    assert text_of("a.html", text) == "Top\n"
    assert warnings_of("a.html", text) == [
        "the page is nested too deeply: what stands deepest in it was not read"
    ]


def test_buttons_and_fields_are_apart_from_the_words_beside_them() -> None:
    body = "<p>Name<textarea>Ada</textarea><button>Send</button><button><b>Stop</b>!</button>now</p>"
    assert text_of("a.html", body) == "Name Ada Send Stop! now\n"
