"""Which language a text is in: BCP-47 code, ISO 15924 script, confidence, ``und`` when unsure."""

from indexer.text.language.context import refine
from indexer.text.language.detector import UNKNOWN, detect, detect_many
from indexer.text.language.queries import is_sure_of_query

__all__ = ["UNKNOWN", "detect", "detect_many", "is_sure_of_query", "refine"]
