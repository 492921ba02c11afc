"""The README of an export: its training, and a page that was tried in a browser."""

from __future__ import annotations

from typing import Any

import pytest

from pixd.pix2pix.exports import card

FOUND = {"largest": 1, "mean": 0.1, "share": 0.25}


NO_WEBGPU = {"is_used": False, "why": "this browser offers none to pages"}


def readme(webgpu: dict[str, Any], **of_card: object) -> str:
    told = {
        "file": "index.html",
        "weights": "float16",
        "checked": "ONNX Runtime against pixd",
        "agreement": FOUND,
        "browser": {**FOUND, "browser": "Chromium 156", "where": "2 threads", "webgpu": webgpu},
    }
    keys = (
        *("image_size", "input", "input_channels", "input_values", "output_channels"),
        *("output_values", "colour", "steps", "fit"),
    )
    return card.readme(
        {
            **dict.fromkeys(keys, 1),
            "metrics": {},
            "export": {"formats": {"web": told}},
            **of_card,
        }
    )


@pytest.mark.parametrize(
    ("webgpu", "said"),
    [
        (
            {"is_used": True, **FOUND, "largest": 2, "where": "on this device's GPU"},
            "- web, WebGPU: 25.00% of the pixels differ, by 2 of 255 at most (on this device's GPU)",
        ),
        (
            NO_WEBGPU,
            "- web, WebGPU: not used, this browser offers none to pages",
        ),
    ],
)
def test_it_says_how_the_page_agreed_in_the_browser_with_webgpu_and_without(
    webgpu: dict[str, Any], said: str
) -> None:
    lines = readme(webgpu).splitlines()
    assert said in lines
    assert (
        "- web, Chromium 156: 25.00% of the pixels differ, by 1 of 255 at most (2 threads)" in lines
    )


@pytest.mark.parametrize(
    ("begun_from", "said"),
    [
        (None, "Trained for 8 steps;"),
        ("sha256:ab", "Trained for 8 steps, going on from the weights of an earlier model;"),
    ],
)
def test_it_says_that_a_model_went_on_from_another(begun_from: str | None, said: str) -> None:
    assert said in readme(NO_WEBGPU, begun_from=begun_from, steps=8).splitlines()
