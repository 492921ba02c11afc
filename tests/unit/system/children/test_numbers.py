"""What a child says has numbers that can be kept, or null."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.system.children.numbers import from_child
from pixd.training.dataset.inspector import is_sound


@given(st.integers() | st.floats())
def test_every_number_is_one_that_a_database_holds_or_none(number: float) -> None:
    read = from_child(json.dumps(number).encode())
    if isinstance(read, int):
        assert -(2**63) < read < 2**63
    elif read is not None:
        assert math.isfinite(read)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "Infinity", "9" * 5000, str(2**63)])
def test_what_cannot_be_kept_is_null(text: str) -> None:
    assert from_child(f'{{"event": "done", "width": {text}}}'.encode())["width"] is None


def test_a_loss_that_is_no_number_stays_one_in_a_result() -> None:
    assert math.isnan(from_child(b"NaN", keep_nan=True))


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(_ANY, _ANY, _ANY)
def test_an_answer_of_the_inspector_may_be_anything(
    parts: object, width: object, height: object
) -> None:
    assert not is_sound({"event": "done", "parts": parts, "width": width, "height": height})
