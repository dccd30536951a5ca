"""The words in the name of a file, by which people look for it whatever its title is."""

import regex

_SEAM = regex.compile(r"_|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def stem(path: str) -> str:
    """The last part of a path without its suffix; the path itself where that is nothing."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0] or path


def with_file_name(title: str, path: str) -> str:
    """``title``, and those forms of the file's name that bring other words.

    Forms are the name as it is (``AnnualReport_2024``) and its words apart (``Annual Report 2024``). A bare
    number is no file name: so are passages called that never were files.
    """
    name = stem(path)
    if path.endswith(name) and name.isdecimal():
        return title
    names, known = [title], _words(title)
    for form in (name, " ".join(_SEAM.sub(" ", name).split())):
        if not _words(form) <= known:
            names.append(form)
            known |= _words(form)
    return "\n".join(names)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
