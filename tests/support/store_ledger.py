"""What the store must say after each deed, as plain Python that shares no code with it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pixd.system.digests import digest_of
from tests.support.store_facts import Facts, Live, Place, Standing
from tests.support.store_world import (
    KEEP_MODELS,
    KINDS,
    PIPELINES,
    RECENT_REFS,
    generator_of,
    listing_of,
    translated,
)


class Trained(NamedTuple):
    """A model, or one on the way: its generator and what it is made of."""

    generator: str
    seed: int
    head: frozenset[str]


ONE_TRANSACTION = ("commits", "models", "live", "refs", "excluded")
"""Facts that a deed changes all together or not at all."""


@dataclass
class Ledger:
    """The facts that there should be, and what explains them."""

    facts: Facts = field(default_factory=Facts)
    folders: dict[Place, dict[str, bytes]] = field(
        default_factory=lambda: {(p, k): {} for p in PIPELINES for k in KINDS}
    )
    contents: dict[str, bytes] = field(default_factory=dict)  # every byte string ever made
    trained: dict[str, list[Trained]] = field(default_factory=lambda: {p: [] for p in PIPELINES})
    training: dict[str, Trained] = field(default_factory=dict)

    def copy(self) -> Ledger:
        return copy.deepcopy(self)

    # -- questions ----------------------------------------------------------------------------

    def head(self, pipeline: str, kind: str) -> dict[str, str]:
        commits = self.facts.commits[pipeline, kind]
        return commits[-1] if commits else {}

    def model(self, pipeline: str, number: int) -> Trained:
        return self.trained[pipeline][number - 1]

    def digest_number(self, pipeline: str, number: int) -> int:
        """Return the first number of the model's digest; a retraining may give the same."""
        return self.trained[pipeline].index(self.model(pipeline, number)) + 1

    def is_present(self, digest: str) -> bool:
        return self.facts.states.get(digest) == "present"

    def may_go_live(self, pipeline: str, number: int) -> bool:
        model = self.model(pipeline, number)
        return self.is_present(model.generator) and not (model.head & self.facts.excluded[pipeline])

    def roots(self) -> set[str]:
        """Return every digest that gc must keep."""
        kept: set[str] = set()
        for place in self.facts.commits:
            kept.update(self.head(*place).values())
        for pipeline in PIPELINES:
            count = self.facts.models[pipeline]
            wanted = set(range(count, max(0, count - KEEP_MODELS), -1))
            wanted |= {n for ref in self.facts.refs[pipeline][-RECENT_REFS:] for n in ref[:2] if n}
            if self.facts.live[pipeline].number:
                wanted.add(self.facts.live[pipeline].number or 0)
            for model in (self.model(pipeline, number) for number in wanted):
                kept |= {model.generator, *model.head}
        for training in self.training.values():
            kept |= training.head
        return kept | {output.digest for output in self.facts.standing.values()}

    # -- deeds --------------------------------------------------------------------------------

    def arrive(self, data: bytes) -> str:
        """Keep bytes: they are present, whatever they were before."""
        digest = digest_of(data)
        self.contents[digest] = data
        self.facts.states[digest] = "present"
        for batch in self.facts.batches:
            batch.discard(digest)
        self.facts.batches = [batch for batch in self.facts.batches if batch]
        return digest

    def record(self, pipeline: str, kind: str) -> None:
        files = self.folders[pipeline, kind]
        arrived = {name: self.arrive(data) for name, data in files.items()}
        gone = self.facts.rows[pipeline, kind] - files.keys()
        self.facts.rows[pipeline, kind] = set(files)
        self._commit(pipeline, kind, arrived)
        if kind == "input":
            for place, output in list(self._standing(pipeline)):
                if output.input_path in gone:
                    self.facts.standing[place] = output._replace(state="orphaned")
        self._tidy()

    def _tidy(self) -> None:
        """Withdraw what was to be replaced after a recall, and will not be."""
        for name in PIPELINES:
            inputs = self.head(name, "input")
            for place, output in list(self._standing(name)):
                is_recalled = self.model(name, output.model).head & self.facts.excluded[name]
                is_due = self.facts.live[name].number and output.input_path in inputs
                if output.input_digest in self.facts.excluded[name] or (is_recalled and not is_due):
                    self._withdraw(place, output)

    def start_training(self, pipeline: str, seed: int) -> None:
        head = self.head(pipeline, "training")
        generator = digest_of(generator_of(listing_of(head), seed))
        self.training[pipeline] = Trained(generator, seed, frozenset(head.values()))
        self.contents[generator] = generator_of(listing_of(head), seed)

    def finish_training(self, pipeline: str) -> None:
        model = self.training.pop(pipeline)
        if model.head & self.facts.excluded[pipeline]:
            return
        self.arrive(self.contents[model.generator])
        self.trained[pipeline].append(model)
        self.facts.models[pipeline] += 1
        if not self.facts.live[pipeline].is_pinned:
            self.make_live(pipeline, self.facts.models[pipeline], pin=False)

    def make_live(
        self, pipeline: str, number: int | None, *, pin: bool, goes_back: bool = False
    ) -> None:
        self.facts.refs[pipeline].append((self.facts.live[pipeline].number, number, goes_back))
        self.facts.live[pipeline] = Live(number, pin)

    def before(self, pipeline: str) -> int | None:
        """Return the model that a rollback goes to."""
        if self.facts.live[pipeline].number is None:
            return None
        way: list[int | None] = []
        for old, new, goes_back in self.facts.refs[pipeline]:
            if old == new:
                continue
            if goes_back and new in way[:-1]:
                way = way[: len(way) - 1 - way[-2::-1].index(new)]
            else:
                way.append(new)
        return next((number for number in way[-2::-1] if number is not None), None)

    def translate(self, pipeline: str) -> None:
        """Every input of the head gets its output, unless a person changed what stands there."""
        live = self.facts.live[pipeline].number
        if live is None:
            return
        facts, model = self.facts, self.model(pipeline, live)
        for place, output in list(self._standing(pipeline)):
            if output.state in {"current", "edited", "orphaned"} and place not in facts.files:
                facts.standing[place] = output._replace(state="missing")
        number = self.digest_number(pipeline, live)
        generator = self.contents[model.generator]
        for name, digest in self.head(pipeline, "input").items():
            place = (pipeline, output_name(name))
            made = self.arrive(translated(self.contents[digest], generator))
            found, standing = facts.files.get(place), facts.standing.get(place)
            if found not in {None, made, standing.digest if standing else None}:
                assert standing is not None  # the tests put nothing of their own there
                facts.standing[place] = standing._replace(state="edited")
            else:
                facts.files[place] = made
                facts.standing[place] = Standing("current", name, digest, number, made)

    def recall(self, pipeline: str, digest: str) -> None:
        facts = self.facts
        facts.excluded[pipeline].add(digest)
        for kind in KINDS:
            self._commit(pipeline, kind, self.head(pipeline, kind))
        live = facts.live[pipeline].number
        touched = {n for n, m in enumerate(self.trained[pipeline], 1) if digest in m.head}
        if live in touched:
            ever_live = {new for _, new, _ in facts.refs[pipeline]}
            live = next(
                (
                    n
                    for n in range(facts.models[pipeline], 0, -1)
                    if n in ever_live and self.may_go_live(pipeline, n)
                ),
                None,
            )
            self.make_live(pipeline, live, pin=False, goes_back=True)
        inputs = self.head(pipeline, "input")
        for place, output in list(self._standing(pipeline)):
            is_of_a_model = output.model in touched and (
                live is None or output.input_path not in inputs
            )
            if output.input_digest == digest or is_of_a_model:
                self._withdraw(place, output)
        self._tidy()

    def _withdraw(self, place: Place, output: Standing) -> None:
        if output.state == "edited":
            return
        if self.facts.files.get(place) not in {None, output.digest}:
            self.facts.standing[place] = output._replace(state="edited")
            return
        del self.facts.standing[place]
        self.facts.files.pop(place, None)

    def trash(self) -> set[str]:
        """Move what nothing keeps to the trash; returns what that is."""
        present = {d for d, state in self.facts.states.items() if state == "present"}
        garbage = present - self.roots()
        if garbage:
            self.facts.batches.append(set(garbage))
            self.facts.states |= dict.fromkeys(garbage, "trashed")
        return garbage

    def untrash(self) -> None:
        self.facts.states |= dict.fromkeys(self.facts.batches.pop(), "present")

    def empty_trash(self) -> None:
        for batch in self.facts.batches:
            self.facts.states |= dict.fromkeys(batch, "removed")
        self.facts.batches = []

    def restore(self, pipeline: str, kind: str, wanted: dict[str, str]) -> None:
        """Change the folder: only where the old bytes and the new ones are in the store."""
        folder = self.folders[pipeline, kind]
        for name in folder.keys() | wanted.keys():
            old = folder.get(name)
            if old is not None and not self.is_present(digest_of(old)):
                continue
            if name not in wanted:
                del folder[name]
            elif self.is_present(wanted[name]):
                folder[name] = self.contents[wanted[name]]

    def _commit(self, pipeline: str, kind: str, files: dict[str, str]) -> None:
        excluded = self.facts.excluded[pipeline]
        head = {name: digest for name, digest in files.items() if digest not in excluded}
        if head != self.head(pipeline, kind):
            self.facts.commits[pipeline, kind].append(head)

    def _standing(self, pipeline: str) -> Iterator[tuple[Place, Standing]]:
        for place, output in self.facts.standing.items():
            if place[0] == pipeline:
                yield place, output

    def after_a_cut(self, after: Ledger, real: Facts) -> Ledger:
        """Return the ledger of what a deed that was cut off left, which must be before or after.

        Raises:
            AssertionError: it is neither, or half of what belongs together.
        """
        before = self.facts
        halves = [
            {name: getattr(one, name) for name in ONE_TRANSACTION} for one in (before, after.facts)
        ]
        assert {name: getattr(real, name) for name in ONE_TRANSACTION} in halves
        for place, names in real.rows.items():  # names are noted before they are committed
            assert names <= before.rows[place] | after.facts.rows[place]
        for name in ("standing", "files", "states"):
            old, new, now = (getattr(one, name) for one in (before, after.facts, real))
            for key in old.keys() | new.keys() | now.keys():
                allowed = [old.get(key), new.get(key)]
                if name == "standing" and old.get(key) and key not in real.files:
                    allowed.append(old[key]._replace(state="missing"))
                assert now.get(key) in allowed, (name, key, now.get(key), allowed)
        for place in (
            before.files.keys() | after.facts.files.keys()
        ):  # a row and its file go together
            pairs = [(f.standing.get(place), f.files.get(place)) for f in (before, after.facts)]
            if pairs[0][1] != pairs[1][1]:
                is_old = real.files.get(place) == pairs[0][1]
                assert real.standing.get(place) == pairs[not is_old][0] or is_old, place
        has_model = real.models == after.facts.models
        return Ledger(
            facts=real,
            folders=after.folders,  # a person's folders are on another disk
            contents=after.contents,
            trained=after.trained if has_model else self.trained,
        )


def output_name(name: str) -> str:
    return name if name.endswith(".png") else name + ".png"
