"""Language tags (BCP 47) as files of pairs write them."""

import re

_TAG = re.compile(r"(?:[a-z]{2,8}|[xi](?=-))(?:-[a-z0-9]{1,8})*", re.IGNORECASE | re.ASCII)


def language_tag(text: str) -> str | None:
    """The tag in its usual spelling (``EN_us`` is ``en-US``), or None for what is none.

    Only the form is checked, not whether the language exists.
    """
    text = text.strip().replace("_", "-")
    if not _TAG.fullmatch(text):
        return None
    first, *rest = text.lower().split("-")
    tags, is_extension = [first], len(first) == 1
    for part in rest:
        is_extension = is_extension or len(part) == 1
        if is_extension or not part.isalpha():
            tags.append(part)
        else:
            tags.append({2: part.upper(), 4: part.title()}.get(len(part), part))
    return "-".join(tags)
