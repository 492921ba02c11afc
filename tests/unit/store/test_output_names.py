"""What an input's outputs are called: the same in Python and in SQL, and never two alike."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pixd.store.output_names import output_name, output_name_sql, output_names

NAMES = st.text(st.sampled_from("xX.1/2pnPNg"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("given", "one", "second"),
    [
        ("x.png", "x.png", "x.2.png"),
        ("x.PNG", "x.PNG", "x.2.PNG"),
        ("x.jpg", "x.jpg.png", "x.jpg.2.png"),
        ("sub/y.webp", "sub/y.webp.png", "sub/y.webp.2.png"),
        ("no-extension", "no-extension.png", "no-extension.2.png"),
        (".png.jpg", ".png.jpg.png", ".png.jpg.2.png"),
    ],
)
def test_an_output_is_named_after_its_input(given: str, one: str, second: str) -> None:
    assert output_name(given) == one
    assert output_names(given, 1) == [one]
    assert output_name(given, 2, 3) == second
    assert output_names(given, 3)[1] == second


@given(NAMES, NAMES, st.integers(2, 16))
@example("x.jpg", "x.jpg.png", 2)
@example("x.jpg.1", "x.jpg.1.png", 2)
def test_two_inputs_share_a_samples_name_only_if_they_share_the_one_name(
    one: str, other: str, samples: int
) -> None:
    shared = set(output_names(one, samples)) & set(output_names(other, samples))
    assert bool(shared) == (output_name(one) == output_name(other))
    assert len(set(output_names(one, samples))) == samples


@given(NAMES, st.integers(1, 3))
@example("Ünï.PnG", 3)
def test_the_store_finds_the_same_names(name: str, samples: int) -> None:
    columns = ", ".join(output_name_sql("path", n, samples) for n in range(1, samples + 1))
    db = sqlite3.connect(":memory:")
    row = db.execute(f"SELECT {columns} FROM (SELECT ? AS path)", (name,)).fetchone()  # noqa: S608 - no input
    db.close()
    assert list(row) == output_names(name, samples)
