"""The parts of an HTML page: what it is about, and the frame of menus, footers and notices around that.

The frame is read too, but behind the rest, so that no passage begins with a menu.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

FRAME_TAGS = frozenset({"nav", "footer", "dialog"})
FRAME_ROLES = frozenset({"navigation", "contentinfo", "search", "alertdialog", "dialog", "menu", "menubar"})
NOTICE_WORDS = frozenset({"cookie", "cookies", "consent", "gdpr", "onetrust", "cookiebot", "cookiebanner"})
FOOTER_WORDS = frozenset({"footer", "colophon"})
MENUS = """nav navbar navigation topnav sidenav menu mainmenu submenu breadcrumb breadcrumbs sidebar skip
    skiplink toolbar pagination sitemap share social"""
MENU_WORDS = frozenset(MENUS.split())
SILENT_TAGS = frozenset({"script", "style", "template", "noscript", "noframes", "title"})
LINKED = 0.6  # share of the text of a menu that is in links
MOST = 0.5  # share of the text of a page that no frame holds
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class PageParts:
    """``main``: the elements that hold what the page is about; ``frame``: those that are read last."""

    def __init__(self, root: "_Element") -> None:
        self._total = max(1, _size(root))
        self.frame = self._frames(root)
        self.main = self._mains(root)
        self.frame -= {above for part in self.main for above in (part, *part.iterancestors())}

    def heading(self, root: "_Element") -> "_Element | None":
        """The first heading of the page, where it stands outside of what it heads."""
        if not self.main or any(part.find(".//h1") is not None for part in self.main):
            return None
        return next((heading for heading in root.iter("h1") if not self._is_framed(heading)), None)

    def is_most(self, element: "_Element") -> bool:
        """Whether an element holds most of the text of the page."""
        return _size(element) > MOST * self._total

    def _is_framed(self, element: "_Element") -> bool:
        return any(part in self.frame for part in (element, *element.iterancestors()))

    def _frames(self, root: "_Element") -> set["_Element"]:
        from lxml import etree

        result = set()
        walker = etree.iterwalk(root, events=("start",))
        for _, element in walker:
            if (
                isinstance(element.tag, str)
                and element.tag not in ("html", "body")
                and self._is_frame(element)
            ):
                result.add(element)
                walker.skip_subtree()
        return result

    def _mains(self, root: "_Element") -> list["_Element"]:
        stated = [part for part in root.iter("main", "div", "section", "article") if _is_main(part)]
        stated = [part for part in stated if _size(part) and not any(map(_is_main, part.iterancestors()))]
        if stated:
            return stated
        articles = [
            part
            for part in root.iter("article")
            if not self._is_framed(part) and all(above.tag != "article" for above in part.iterancestors())
        ]
        framed = sum(map(_size, self.frame))
        return articles if sum(map(_size, articles)) > MOST * (self._total - framed) else []

    def _is_frame(self, element: "_Element") -> bool:
        if element.tag in FRAME_TAGS or (element.get("role") or "").lower() in FRAME_ROLES:
            is_inner = element.tag == "footer" and any(
                above.tag in ("article", "blockquote") for above in element.iterancestors()
            )
            return not is_inner and not self.is_most(element)
        words = _words(element)
        if words & NOTICE_WORDS or (words & FOOTER_WORDS and element.tag in ("div", "section")):
            return element.tag not in ("main", "article", "p") and not self.is_most(element)
        if words & MENU_WORDS and element.tag in ("div", "ul", "ol", "section", "aside", "header", "a"):
            return _is_linked(element) and not self.is_most(element)
        return False


def _is_main(element: "_Element") -> bool:
    return element.tag == "main" or (element.get("role") or "").lower() == "main"


def _words(element: "_Element") -> set[str]:
    """The words of an element's id and classes: ``site-footer`` and ``siteFooter`` hold footer."""
    named = f"{element.get('id') or ''} {element.get('class') or ''}"
    return {word.lower() for word in _WORD.findall(named)} if named.strip() else set()


def _size(element: "_Element") -> int:
    """How many characters stand in an element, white space aside."""
    size = 0
    for part in element.iter():
        if part.tag not in SILENT_TAGS:
            size += sum(map(len, (part.text or "").split()))
        if part is not element and part.tail:
            size += sum(map(len, part.tail.split()))
    return size


def _is_linked(element: "_Element") -> bool:
    if element.tag == "a":
        return True
    return sum(map(_size, element.iter("a"))) >= LINKED * max(1, _size(element))
