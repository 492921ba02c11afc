"""Hands a training folder's pairs over to be assessed, as text: to this process or to a child.

A few pairs are assessed where they are. Of thousands, the measures alone take more processor time
than the service may spend between two looks at its folders, and comparing them needs arrays. So
the lines are written into a file, and the inspector reads it and writes its answer beside it. Both
read the same lines, so both give the same answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.training.dataset.assessment import Assessment, Question
from pixd.training.dataset.finding import Finding, Judgement, Refused, Setting
from pixd.training.dataset.near_duplicates import Part
from pixd.training.dataset.pairs import Pair
from pixd.training.dataset.split import Kin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pixd.store.queries.training_set import KinRow

FEW: Final = 200
"""So many pairs are compared within a tenth of a second, even if all have one mean and contrast."""


class Told(NamedTuple):
    """What is to be assessed, but for the measures; see `pixd.training.dataset.assessment.Question`.

    Attributes:
        setting: the settings that count.
        since: number of the commit that the pairs are of.
        refused: the files that are in no pair, by name.
        pairs: the pairs of the folder.
        kin: what was decided about earlier pairs, by digest.
    """

    setting: Setting
    since: int
    refused: Mapping[str, Refused]
    pairs: Sequence[Pair]
    kin: Mapping[str, KinRow]


def lines(told: Told, measured: Callable[[str], str | None]) -> Iterator[str]:
    """Yield a question as lines of JSON: first what is of all, then each pair.

    Args:
        told: all of it, but for the measures.
        measured: returns what was measured of a content as JSON text, or None if that was forgotten.
    """
    yield _json([told.setting._asdict(), told.since, told.refused])
    there = set()
    for pair in told.pairs:
        there.add(pair.digest)
        contents = [digest for _, digest in pair.files]
        yield _line(pair.digest, pair, told.kin.get(pair.digest), _parts(contents, measured))
    if there <= told.kin.keys():
        return  # nothing is new, so nothing is compared with the pairs that were removed
    for digest, row in told.kin.items():
        if digest not in there:
            yield _line(digest, None, row, _parts(row.contents, measured))


def read(found: Iterable[str]) -> Question:
    """Read the lines of a question."""
    found = iter(found)
    setting, since, refused = json.loads(next(found))
    pairs: list[Pair] = []
    kin: dict[str, Kin] = {}
    parts: dict[str, tuple[Part, ...]] = {}
    for line in found:
        digest, pair, known, measured = json.loads(line)
        if pair:
            pair[1] = tuple(map(tuple, pair[1]))
            pairs.append(Pair(*pair))
        if known:
            kin[digest] = _kin(known)
        if measured is not None:
            parts[digest] = tuple(map(Part.from_json, measured))
    every = {name: Refused(*why) for name, why in refused.items()}
    return Question(Setting(**setting), since, pairs, kin, every, parts)


def write_answer(path: Path, assessment: Assessment) -> None:
    """Write what was found into a file.

    Raises:
        OSError: the disk refuses.
    """
    found = {"given": assessment.given, "judgement": told_of(assessment.judgement)}
    path.write_text(_json(found), encoding="ascii")


def read_answer(path: Path) -> Assessment:
    """Read what `write_answer` wrote.

    Raises:
        OSError: it cannot be read.
    """
    found = json.loads(path.read_text(encoding="ascii"))
    given = {digest: _kin(kin) for digest, kin in found["given"].items()}
    return Assessment(given, _judgement(found["judgement"]))


def told_of(judgement: Judgement) -> dict[str, Any]:
    """Return all of a judgement as it is kept in the store."""
    return {
        **judgement._asdict(),
        "findings": [one.told() for one in judgement.findings],
        "notes": list(judgement.notes),
    }


def _judgement(told: dict[str, Any]) -> Judgement:
    found = [
        Finding(**{**one, "groups": tuple(map(tuple, one["groups"]))}) for one in told["findings"]
    ]
    return Judgement(**{**told, "findings": tuple(found), "notes": tuple(told["notes"])})


def _kin(told: Sequence[Any]) -> Kin:
    anchor, touches, since = told
    return Kin(anchor, tuple(touches), since)


def _parts(contents: Iterable[str], measured: Callable[[str], str | None]) -> str:
    """Return the parts of all files of a pair as one list in JSON, or null if some are not known."""
    found = []
    for digest in contents:
        body = measured(digest)
        if body is None:
            return "null"
        found.append(body.strip()[1:-1])  # without its brackets
    return f"[{','.join(found)}]"


def _line(digest: str, pair: Pair | None, row: KinRow | None, parts: str) -> str:
    kin = [row.anchor, row.touches, row.since] if row else None
    return f'["{digest}",{_json(pair)},{_json(kin)},{parts}]'


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
