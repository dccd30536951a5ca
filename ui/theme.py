"""Colours and fonts: quiet, from the system, light and dark. Nothing is fetched."""

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).parent / "static" / "style.css"

FONTS = (
    "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai", "Noto Sans Khmer", "Noto Sans Lao",
    "Noto Sans Myanmar", "Noto Sans Ethiopic", "Noto Sans CJK SC", "Noto Sans CJK JP", "sans-serif",
)  # fmt: skip
MONO = ("ui-monospace", "Consolas", "Noto Sans Mono", "monospace")
WORDS = {
    "upload_text.drop_file": "Drop documents or archives here",
    "upload_text.click_to_upload": "choose files",
    "common.or": "or",
}
"""Gradio's own words, said in ours."""


def theme() -> gr.themes.Base:
    """The theme for ``launch()``. Fonts are plain names, so that the page asks nobody for them."""
    hue = gr.themes.Color(
        "#eef6f5", "#d5eae8", "#aed7d3", "#7dbdb8", "#4a9d98", "#2b827d", "#1f6a66", "#1a5552", "#174443",
        "#133837", "#0a2322",
    )  # fmt: skip
    return gr.themes.Base(
        primary_hue=hue,
        secondary_hue=hue,
        neutral_hue="slate",
        font=list(FONTS),
        font_mono=list(MONO),
        radius_size="md",
    ).set(
        body_background_fill="#fbfbfa",
        body_background_fill_dark="#14181b",
        block_background_fill_dark="#1b2125",
        block_border_width="1px",
        input_background_fill="white",
        input_background_fill_dark="#1b2125",
        input_border_color="#c9d2d4",
        input_border_color_dark="#3b464c",
        input_border_width="1px",
        input_placeholder_color="#66737a",
        input_placeholder_color_dark="#98a6ad",
        button_secondary_background_fill="#e8eeee",
        button_secondary_background_fill_hover="#dbe5e5",
        button_secondary_background_fill_dark="#2b353a",
        button_secondary_background_fill_hover_dark="#37434a",
        checkbox_border_color="#8b989e",
        checkbox_border_color_dark="#6d7a81",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color_dark="white",
    )
