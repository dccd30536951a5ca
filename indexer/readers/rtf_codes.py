"""Words of RTF: which groups are text and which are not, what stands for a character, code pages of fonts."""

CHARACTERS = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005",
    "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f", "softline": " ",
    "~": "\u00a0", "_": "\u2011", "\\": "\\", "{": "{", "}": "}", "\t": "\t",
}  # fmt: skip
BREAKS = frozenset(("par", "sect", "page", "column", "softpage", "softcol", "\n", "\r"))

ASIDES = {
    "footnote": "footnotes", "annotation": "comments", "header": "headers", "headerl": "headers",
    "headerr": "headers", "headerf": "headers", "footer": "footers", "footerl": "footers",
    "footerr": "footers", "footerf": "footers",
}  # fmt: skip
BOXES = frozenset(("shptxt", "dptxbxtext"))
"""Groups whose text stands beside the paragraph they are anchored in."""

KNOWN = frozenset(("shpinst", "do", "moMath", "moMathPara", "ud", "nestrow")) | ASIDES.keys() | BOXES
"""Groups that older programs pass over and that hold text all the same."""

_PARTS_WITHOUT_TEXT = """colortbl stylesheet pict fldinst datafield formfield themedata colorschememapping
    datastore listtable listoverridetable revtbl rsidtbl generator xmlnstbl latentstyles bkmkstart bkmkend
    filetbl template pnseclvl atnid atnauthor atndate atnref atnicn atnparent atntime atrfstart atrfend
    ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn shprslt sn sv sp nonesttables nesttableprops
    objdata objclass objname objtime objalias objsect mmathPr mmathPict mvfmf mvtof passwordhash
    background falt panose fname fontemb fontfile listname liststylename listpicture author operator
    creatim revtim printim buptim company manager category keywords comment doccomm subject hlinkbase
    userprops wgrffmtfilter pgptbl protusertbl oldcprops oldpprops oldsprops oldtprops xe rxe tc tcn"""
NO_TEXT = frozenset(_PARTS_WITHOUT_TEXT.split())

CHARSETS = {
    0: "cp1252", 77: "mac_roman", 78: "cp932", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030",
    136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
SYMBOLS = 2
MACHINES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850", "ansi": "cp1252"}
CODE_PAGES = {936: "gb18030", 10000: "mac_roman", 65001: "utf-8", 1361: "johab", 20127: "ascii"}


def codec_of_page(page: int) -> str:
    """The codec of a Windows code page; Latin where Python has none."""
    import codecs

    name = CODE_PAGES.get(page, f"cp{page}")
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name
