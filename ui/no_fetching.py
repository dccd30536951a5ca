"""Gradio fetches whatever http address a caller gives in place of an uploaded file; this page does not."""

from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils


async def _refuse(url: str, *_: Any) -> NoReturn:
    raise gr.Error(f"{url[:200]} was not fetched: this page takes files that are uploaded. Upload the file.")


def never_fetch_addresses() -> None:
    """From now on such an address is answered with a sentence; nothing leaves this machine."""
    processing_utils.async_ssrf_protected_get = _refuse
