"""What stands on a PDF page beside its text: values of form fields, comments, the page's own number."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from indexer.readers.pdf_glyphs import Box, Stretch

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

CHECKED = "☒"
MAX_ANNOTATIONS = 10_000
HIDDEN = 0x02 | 0x20  # flags: not shown, not shown on a screen


@dataclass(frozen=True)
class Field:
    """A filled field: what it is called, what stands in it, where it lies."""

    name: str
    value: str
    box: Box


@dataclass(frozen=True)
class Form:
    """The fields of a page and how many of them cannot be read; the words of its notes and comments."""

    fields: list[Field]
    unread: int
    comments: list[str]


def open_forms(document: "PdfDocument") -> str:
    """Make the fields of a document readable; a warning where some are not."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    kind = document.get_formtype()
    if kind == pdfium.FORMTYPE_NONE:
        return ""
    try:
        document.init_forms()
    except pypdfium2.PdfiumError:
        return "the form's fields were not read"
    if kind in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND):
        return "this is an XFA form: what is filled in may be missing here"
    return ""


def form_of(document: "PdfDocument", page: Any) -> Form:
    """The filled fields, notes and comments of a page."""
    import pypdfium2.raw as pdfium

    handle = document.formenv.raw if document.formenv is not None else None
    fields: list[Field] = []
    comments: list[str] = []
    unread = 0
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), MAX_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetFlags(annotation) & HIDDEN:
                continue
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium.FPDF_ANNOT_WIDGET:
                if handle is None:
                    unread += 1
                elif field := _field(handle, annotation):
                    fields.append(field)
            elif kind not in (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP):
                comments.append(_text(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents"))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return Form(fields, unread, [comment for comment in comments if comment])


def _field(handle: Any, annotation: Any) -> Field | None:
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(handle, annotation)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        value = CHECKED if pdfium.FPDFAnnot_IsChecked(handle, annotation) else ""
    elif kind in (
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    ):
        is_password = (
            kind == pdfium.FPDF_FORMFIELD_TEXTFIELD
            and pdfium.FPDFAnnot_GetFormFieldFlags(handle, annotation) & pdfium.FPDF_FORMFLAG_TEXT_PASSWORD
        )
        value = "" if is_password else _text(pdfium.FPDFAnnot_GetFormFieldValue, handle, annotation)
        if kind != pdfium.FPDF_FORMFIELD_TEXTFIELD:
            value = ", ".join(_chosen(handle, annotation)) or value
    else:
        return None
    rect = pdfium.FS_RECTF()
    if not value.strip() or not pdfium.FPDFAnnot_GetRect(annotation, rect):
        return None
    name = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, handle, annotation)
    name = name or _text(pdfium.FPDFAnnot_GetFormFieldName, handle, annotation)
    return Field(
        name, value, Box(rect.left, min(rect.bottom, rect.top), rect.right, max(rect.bottom, rect.top))
    )


def _chosen(handle: Any, annotation: Any) -> Iterator[str]:
    """The labels of the options that are chosen."""
    import pypdfium2.raw as pdfium

    for index in range(min(max(pdfium.FPDFAnnot_GetOptionCount(handle, annotation), 0), 1000)):
        if pdfium.FPDFAnnot_IsOptionSelected(handle, annotation, index):
            yield _text(pdfium.FPDFAnnot_GetOptionLabel, handle, annotation, index)


def _text(get: Any, *arguments: Any) -> str:
    """What a function of PDFium writes as UTF-16 into a buffer, asked twice: how much, and what."""
    size = get(*arguments, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    get(*arguments, buffer, size)
    text = bytes(buffer)[:size].decode("utf-16-le", errors="replace").rstrip("\0")
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def place_fields(fields: list[Field], stretches: list[Stretch]) -> list[str]:
    """Put each value after the label on its left; the lines of those without a label, with their names.

    ``stretches`` is changed: it gets the values.
    """
    rest = []
    for field in sorted(fields, key=lambda item: (-item.box.top, item.box.left)):
        box, is_tick = field.box, field.value == CHECKED
        label = _label(field, stretches, is_after=is_tick)
        if label is None:
            apart = " " if is_tick else ": "
            named = (field.value, field.name) if is_tick else (field.name, field.value)
            rest.append(apart.join(part for part in named if part))
            continue
        words = " ".join(field.value.split())
        value = replace(
            label,
            glyphs=[(words, box.left, box.right)],
            text=words,
            left=box.left,
            right=box.right,
        )
        stretches.insert(_index(stretches, label) + (not is_tick), value)
    return rest


def _index(stretches: list[Stretch], stretch: Stretch) -> int:
    return next(at for at, item in enumerate(stretches) if item is stretch)


def _label(field: Field, stretches: list[Stretch], *, is_after: bool) -> Stretch | None:
    """The nearest text on the line of a field, to its left or, with ``is_after``, to its right."""
    box = field.box
    line = [
        stretch
        for stretch in stretches
        if not (stretch.turn or stretch.is_vertical) and box.bottom - 2 <= stretch.baseline <= box.top
    ]
    if is_after:
        return min(
            (item for item in line if item.left >= box.right - 3), key=lambda item: item.left, default=None
        )
    return max(
        (item for item in line if item.right <= box.left + 3), key=lambda item: item.right, default=None
    )


def page_label(document: "PdfDocument", index: int) -> str:
    """The number that a page bears itself, where it is another one than its place."""
    import pypdfium2.raw as pdfium

    size = pdfium.FPDF_GetPageLabel(document.raw, index, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    pdfium.FPDF_GetPageLabel(document.raw, index, buffer, size)
    label = " ".join(bytes(buffer)[:size].decode("utf-16-le", errors="replace").rstrip("\0").split())
    return "" if label == str(index + 1) else label[:40]
