"""The look: Gradio's own variables, fonts of the system, the colours of Okabe and Ito."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

from retrieval.ui.stages import COLOURS

BLUE = colors.Color(
    name="blue",
    c50="#eef6fc",
    c100="#d6eaf7",
    c200="#aed6f0",
    c300="#7dbde5",
    c400="#56b4e9",
    c500="#0072b2",
    c600="#00639b",
    c700="#005281",
    c800="#004267",
    c900="#00324e",
    c950="#002236",
)
CSS = Path(__file__).parent / "style.css"
SANS = ("Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def palette() -> str:
    """CSS variables for the colours of the stages."""
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in COLOURS.items()) + "}"


def theme() -> gr.themes.Base:
    """The theme; it asks nobody for a font."""
    made = gr.themes.Base(
        primary_hue=BLUE,
        secondary_hue=BLUE,
        neutral_hue=colors.stone,
        radius_size=sizes.radius_md,
        font=[fonts.Font(name) for name in SANS],
        font_mono=[fonts.Font(name) for name in MONO],
    )
    made.set(
        body_background_fill="#fbfbfa",
        body_background_fill_dark="#141414",
        body_text_color="#1c1b1a",
        body_text_color_dark="#eceae7",
        body_text_color_subdued="#66625d",
        body_text_color_subdued_dark="#a39f99",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1d1d1c",
        background_fill_secondary="#f3f2f0",
        background_fill_secondary_dark="#272625",
        border_color_primary="#dcdad6",
        border_color_primary_dark="#3a3937",
        border_color_accent="#0072b2",
        border_color_accent_dark="#56b4e9",
        color_accent_soft_dark="#10314a",
        link_text_color="#005f95",
        link_text_color_dark="#7cc4ee",
        block_border_width="0px",
        block_padding="0px",
        layout_gap="16px",
    )
    # In the theme rather than launch(css=...), which would rewrite every selector.
    made.custom_css = palette() + CSS.read_text(encoding="utf-8")
    return made
