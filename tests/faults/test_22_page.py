"""Fault 22: the page attacked and killed. No file outside, none lost, none half, no growth."""

from __future__ import annotations

import http.client
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import httpx2 as httpx
import pytest
from PIL import Image

from tests.faults import random_requests
from tests.faults.conftest import Figure
from tests.faults.stubbed import Stubbed, undisturbed
from tests.faults.swapping import exchanger, swapping
from tests.support.images import encoded
from tests.support.paged import Served, served
from tests.support.proc import Proc
from tests.support.tiny import Tiny, small_png

SECRET = b"what stands outside"
CREATED, SAME, CONFLICT = 201, 200, 409
AT_ONCE = 4  # of uploads; the page takes no more
MOST_GROWTH_MB = 8.0
VIEWER_HOLDS = 4
"""Descriptors while the child that decodes pictures lives; it ends when it has nothing to do."""
SEED = 22


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Stubbed]:
    """Return a pipeline with a live model, of stub children; no service runs."""
    tiny = Stubbed(tmp_path / "tiny")
    for number in range(3):
        tiny.drop_pair(number)
    assert tiny.run("run", "--once") == 0, tiny.log()
    yield tiny
    if tiny.service:
        tiny.stop(signal.SIGKILL)


# -- links ------------------------------------------------------------------------------------


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("number", "swapped"), [(22.1, "a"), (22.11, "a/b"), (22.12, "a/b/x.png")])
def test_what_becomes_a_link_under_an_upload_leads_nowhere(
    trained: Stubbed,
    tmp_path: Path,
    figure: Figure,
    number: float,
    swapped: str,
    *,
    is_full_size: bool,
) -> None:
    wanted, least = (10_000, 300) if is_full_size else (300, 50)
    root, outside = trained.folder / "input", tmp_path / "outside"
    for folder in (root, outside):
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "x.png").write_bytes(SECRET)
    before = _stamps(outside)
    is_file = swapped.endswith(".png")
    met = {CREATED: 0, SAME: 0, CONFLICT: 0}
    data = small_png(1)
    with served(trained.folder) as page, swapping(
        exchanger(outside / swapped, root / swapped)
    ) as swaps, httpx.Client(headers=page.bearer, timeout=60) as client:  # fmt: skip
        while swaps[0] < wanted or sum(met.values()) < least:
            name = "x" if is_file else f"{sum(met.values())}"
            url = f"{page.url}/api/tiny/input/a/b/{name}.png"
            met[client.put(url, content=data).status_code] += 1
        log = page.log.read_text()
    what = "the file's name" if is_file else f"the folder {swapped}"
    figure(
        number,
        f"{what} swapped for a link out {swaps[0]} times under {sum(met.values())} uploads to the page",
        pixd=f"{met[CREATED]} put inside, {met[CONFLICT]} refused, nothing changed outside",
        bar="nothing made, changed or removed outside",
        met=_stamps(outside) == before and "Traceback" not in log,
    )
    assert met[CONFLICT], "no upload met a link: this test saw nothing"
    assert is_file or met[CREATED], "no upload met the folder: this test saw nothing"


def _stamps(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what would tell that somebody wrote there, also a file that came and went."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        about = path.stat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (about.st_mtime_ns, about.st_ino, data)
    return found


# -- kill -9 ----------------------------------------------------------------------------------


class Uploads:
    """Files on their way to a page by several clients; those without an answer are sent again."""

    def __init__(self, files: dict[str, bytes]) -> None:
        """Send nothing yet."""
        self.files = files
        self.accepted: set[str] = set()
        self.cut = 0

    def send(self, page: Served, *, kill_at: int | None = None, late_s: float = 0.0) -> None:
        """Send what was not accepted.

        Args:
            page: where to.
            kill_at: kill the page after so many were accepted; None: leave it alive.
            late_s: and so many seconds later.
        """
        left: SimpleQueue[str] = SimpleQueue()
        for name in sorted(set(self.files) - self.accepted):
            left.put(name)
        dead = threading.Event()
        clients = [
            threading.Thread(target=self._client, args=(page, left, dead)) for _ in range(AT_ONCE)
        ]
        for client in clients:
            client.start()
        if kill_at is not None:
            while len(self.accepted) < kill_at and any(one.is_alive() for one in clients):
                dead.wait(0.001)
            dead.wait(late_s)
            page.process.kill()
            page.process.wait()
            dead.set()
        for client in clients:
            client.join()

    def _client(self, page: Served, left: SimpleQueue[str], dead: threading.Event) -> None:
        host, _, port = page.host.rpartition(":")
        while not dead.is_set():
            try:
                name = left.get_nowait()
            except Empty:
                return
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            try:
                status = _put(connection, name, self.files[name], page.bearer)
            except (OSError, http.client.HTTPException):
                self.cut += 1  # no answer, so nothing was promised
                continue
            finally:
                connection.close()
            assert status in {CREATED, SAME}, status
            self.accepted.add(name)


def _put(
    connection: http.client.HTTPConnection, name: str, data: bytes, bearer: dict[str, str]
) -> int:
    connection.putrequest("PUT", f"/api/tiny/input/{name}")
    length = {"Content-Length": str(len(data))}
    for key, value in {**bearer, **length, "Prefer": "wait=0"}.items():
        connection.putheader(key, value)
    connection.endheaders()
    connection.send(data[: len(data) // 2])  # so that a kill may come between
    connection.send(data[len(data) // 2 :])
    return connection.getresponse().status


@pytest.mark.timeout(3600)
def test_kills_of_the_page_lose_no_upload_and_change_no_output(
    trained: Stubbed, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    rounds, count = (5, 200) if is_full_size else (2, 20)
    chance = random.Random(SEED)
    tiny = trained
    service = tiny.spawn()
    sent: dict[str, bytes] = {}
    lost: list[str] = []
    half: list[str] = []
    cut = 0
    for turn in range(rounds):
        files = {f"{turn:02d}-{number:03d}.png": _noise(chance) for number in range(count)}
        uploads = Uploads(files)
        sent |= files
        with served(tiny.folder) as page:
            uploads.send(
                page, kill_at=chance.randrange(count - AT_ONCE), late_s=chance.uniform(0, 0.02)
            )
        there = {path.name: path.read_bytes() for path in (tiny.folder / "input").glob("*.png")}
        lost += sorted(uploads.accepted - set(there))
        half += [name for name, data in there.items() if sent[name] != data]
        with served(tiny.folder) as page:
            uploads.send(page)
        assert uploads.accepted == set(files)
        cut += uploads.cut
        assert service.poll() is None, tiny.log()
    tiny.until(lambda part: part["input"]["translated"] == len(sent), 1800)
    assert tiny.stop() == 0
    assert tiny.blemishes() == []
    assert cut, "no upload was cut off: this test saw nothing"
    is_same = tiny.state() == undisturbed(tiny, tmp_path / "control")
    figure(
        22.2,
        f"kill -9 of the page at a random moment of {count} uploads, {rounds} times",
        pixd=f"{cut} uploads without an answer sent again; {len(lost)} accepted ones lost, {len(half)}"
        f" half ones published, outputs {'those' if is_same else 'NOT those'} of an undisturbed run",
        bar="0 lost, 0 half, the outputs of an undisturbed run",
        met=not lost and not half and is_same,
    )


def _noise(chance: random.Random) -> bytes:
    """Return a picture of some 50 kB."""
    return encoded(Image.frombytes("RGB", (128, 128), chance.randbytes(128 * 128 * 3)))


# -- random requests --------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.timeout(14400)
def test_random_requests_end_in_no_traceback_and_no_growth(
    translated: Path, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    count = 1_000_000 if is_full_size else 3000
    peaks = [0.0]
    with (
        Tiny.at(translated).copied(tmp_path / "tiny") as tiny,
        served(tiny.folder) as page,
    ):
        before = tiny.outputs()
        proc = Proc(page.process.pid)

        def seen(_done: int) -> None:
            peaks.append(max(peaks[-1], proc.memory_mb()))

        requests = random_requests.Requests(page, _known(page))
        # What is opened and imported at its first use is no growth.
        first = random_requests.ask(page, requests, count // 10, SEED, seen)
        warm, held = peaks[-1], _held(page, proc)
        then = random_requests.ask(page, requests, count - first.requests, SEED + 1000, seen)
        held_after = _held(page, proc)
        assert first.faults + then.faults == []
        assert httpx.get(f"{page.url}/healthz").status_code == 204
        log = page.log.read_text()
        assert tiny.outputs() == before
    assert "Traceback" not in log, log[-4000:]
    grew_mb = peaks[-1] - warm
    answers = first.answers + then.answers
    kinds = ", ".join(
        f"{sum(n for status, n in answers.items() if status // 100 == kind):,} with {kind}xx"
        for kind in (2, 3, 4, 5)
    )
    figure(
        22.3,
        f"{first.requests + then.requests:,} random requests to the page, by {random_requests.CLIENTS} clients",
        pixd=f"answered {kinds}; 0 with 500, 0 tracebacks; descriptors {held} -> {held_after};"
        f" memory at most {warm:.1f} MB in the first tenth, {grew_mb:+.1f} MB after",
        bar=f"no traceback, no error 500, no more is held, under {MOST_GROWTH_MB:.0f} MB",
        met=held_after <= held + VIEWER_HOLDS and grew_mb < MOST_GROWTH_MB,
    )


def _held(page: Served, proc: Proc) -> int:
    """Return how many descriptors it has while one request is answered."""
    httpx.get(f"{page.url}/api/tiny/outputs", headers=page.bearer).raise_for_status()
    return proc.descriptors()


def _known(page: Served) -> dict[str, list[str]]:
    """Return good words for the holes of the addresses, and some whole addresses under ""."""
    found = httpx.get(f"{page.url}/api/tiny/outputs", headers=page.bearer).json()["rows"]
    pictures = [url for row in found for url in row["pictures"].values()]
    return {
        "": [*pictures, "/static/app.js", "/static/style.css"],
        "pipeline": ["tiny"],
        "kind": ["training", "input"],
        "number": ["1", "2"],
        "other": ["1"],
        "a": ["1"],
        "b": ["1"],
        "digest": [row["digest"] for row in found],
        "op": ["pause", "resume", "retry", "promote", "rollback", "unpin", "recall", "gc"],
        "name": ["x.png", "a/b.png", "api.js"],
    }
