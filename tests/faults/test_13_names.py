"""Fault 13: names that break programs. Each is translated under its own name, or refused with why."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pixd.system.names import name_from_bytes
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture

LONGEST = 255
NAMES = {
    "not UTF-8": [b"\xff\xfe.png", b"caf\xe9.png", b"\xc3\x28.png"],
    "newline, tab, NUL's neighbours": [b"a\nb.png", b"tab\there.png", b"\x01\x02.png", b"\r.png"],
    "escape codes": [
        b"\x1b[31mred\x1b[0m.png",
        b"\x1b]0;title\x07.png",
        b"\x9b2J.png",
        b"\x7f.png",
    ],
    "255 bytes": [b"n" * (LONGEST - 4) + b".png", "é".encode() * 125 + b"x.png"],
    "leading dash": [b"-rf.png", b"--help.png", b"-.png"],
    "case twins": [b"Twin.png", b"twin.png", b"TWIN.png"],
    "emoji and right to left": [
        "🏠🏽‍♀️.png".encode(),
        "אבג.png".encode(),
        "\u202egnp.exe.png".encode(),
        "\u2028.png".encode(),
    ],
    "spaces": [b" .png", b"trailing .png", b"trailing.png ", b"  lead.png", "\u00a0.png".encode()],
    "looks like something else": [
        b"\\x0a.png",
        b"a\\nb.png",
        b"%2e%2e%2fup.png",
        b"*.png",
        b"$(touch pwned).png",
        b"'; DROP TABLE file; --.png",
        b'"quoted".png',
        b"CON.png",
        b"a:b.png",
        b"training@3.png",
        b"sha256:00.png",
    ],
    "twin forms of one letter": ["\u00e9.png".encode(), "e\u0301.png".encode()],
}
TOO_LONG = b"l" * (LONGEST - 4) + b".jpg"  # its output's name would be four bytes longer
TWIN_OUTPUT = (b"same.jpg", b"same.jpg.png")  # two inputs that want one output's name


def test_every_name_is_translated_or_refused_with_its_reason(stub: Tiny, figure: Figure) -> None:
    folder = os.fsencode(stub.folder / "input")
    names = [name for some in NAMES.values() for name in some]
    deep = [b"/".join([b"d" * 200] * 8) + b"/deep.png", b"-d/\n/x.png"]
    everything = [*names, *deep, TOO_LONG, *TWIN_OUTPUT]
    for number, name in enumerate(everything):
        path = os.path.join(folder, name)  # noqa: PTH118 - bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
        kind = "JPEG" if name.endswith(b".jpg") else "PNG"
        with open(path, "wb") as file:  # noqa: PTH123 - bytes
            picture(number).save(file, kind)
    stub.once()
    counts = stub.part()["input"]
    rows = {
        path: (state, reason)
        for path, state, reason in stub.rows(
            "SELECT path, state, reason FROM file JOIN repo ON repo.id = repo_id"
            " WHERE kind = 'input'"
        )
    }
    assert rows.keys() == {name_from_bytes(name) for name in everything}
    output = os.fsencode(stub.folder / "output")
    for name in (*names, *deep):
        assert rows[name_from_bytes(name)] == ("translated", ""), name
        is_png = name.endswith(b".png")
        made = os.path.join(output, name if is_png else name + b".png")  # noqa: PTH118 - bytes
        assert os.path.exists(made), name  # noqa: PTH110 - bytes
    refused = {name: rows[name_from_bytes(name)] for name in (TOO_LONG, TWIN_OUTPUT[0])}
    for name, (state, reason) in refused.items():
        assert state == "rejected", name
        assert reason
    assert counts["files"] == len(everything)
    assert not (stub.folder / "pwned").exists()
    _print_everywhere(stub, names)
    figure(
        13,
        f"{len(everything)} names: {', '.join(NAMES)}",
        pixd=f"{counts['translated']} translated, {len(refused)} refused with a reason"
        " (an output's name too long, two inputs for one output)",
        bar="all handled or refused with a reason",
        met=counts["translated"] == len(everything) - len(refused),
    )


def _print_everywhere(tiny: Tiny, names: list[bytes]) -> None:
    """No command may print a byte that a terminal obeys, or stumble over a name."""
    for words in (("status",), ("log", "input"), ("log", "output", "-n", "100"), ("plan",)):
        done = tiny.pixd(*words)
        assert done.returncode == (3 if words == ("status",) else 0), done.stderr
        assert not set(done.stdout) & {chr(code) for code in (*range(9), 0x1B, 0x7F, 0x9B)}
        assert len(json.loads(tiny.pixd(*words, "--json").stdout)) > 0
    for name in names[::7]:
        path = Path("input") / os.fsdecode(name)
        done = tiny.pixd("why", f"./{path}")
        assert done.returncode == 0, (name, done.stderr)
        assert "\x1b" not in done.stdout


def test_a_name_that_two_inputs_want_is_free_again_while_the_service_runs(stub: Tiny) -> None:
    first, twin = (stub.folder / "input" / os.fsdecode(name) for name in TWIN_OUTPUT)
    picture(1).save(first, "JPEG")
    stub.start()
    stub.until(lambda part: part["input"]["translated"] == 1)
    picture(2).save(twin, "PNG")
    stub.until(lambda part: part["input"]["rejected"] == 1)
    twin.rename(twin.with_name("other.png"))
    stub.until(lambda part: not part["input"]["rejected"] and part["input"]["translated"] == 2)
    assert {first.name + ".png", "other.png"} <= stub.outputs().keys()
    assert stub.stop() == 0
