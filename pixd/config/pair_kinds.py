"""The values of `pairs` in config.yaml and what each means."""

from __future__ import annotations

INPUT_IS_MADE = ("grayscale", "blank", "colorization")
"""The values of `pairs` under which an input is not translated as it comes. Nothing is made of
what `edges` is given, a drawing; so its recipe, and the keys of its runs, say nothing of it."""
