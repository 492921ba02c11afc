"""The page's unit under a real systemd, beside the service's, from install to uninstall.

`make test-systemd` runs this. The tests build on one another, in the order in which they stand
here, and on nothing of test_service.py but its machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.cli import units
from tests.support.tiny import pair, picture
from tests.systemd.conftest import text
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]  # the tree is built once, in minutes

FOLDER = "/srv/drawings"
CONFIG = "/etc/pixd/page.yaml"
INSTALL = f"pixd --config {CONFIG} service install"
LETTER = "/home/carla/letter"
ASK = """\
import json, pathlib, sys, urllib.error, urllib.request
method, url, token, body = sys.argv[1:]
asked = urllib.request.Request(
    url,
    method=method,
    data=pathlib.Path(body).read_bytes() if body else None,
    headers={"Authorization": "Bearer " + token, "Prefer": "wait=60", "Content-Type": "image/png"},
)
try:
    answer = urllib.request.urlopen(asked, timeout=120)
except urllib.error.HTTPError as error:
    answer = error
data, kind = answer.read(), answer.headers["Content-Type"]
said = json.loads(data) if "json" in (kind or "") else {"type": kind, "size": len(data)}
print(json.dumps([answer.status, said]))
"""
KNOCK = """\
import socket, sys
with socket.socket(socket.AF_UNIX) as one:
    one.connect(sys.argv[1])
    one.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    print(one.recv(4096).decode())
"""


class Browser:
    """Who has the link and asks the page, from inside the machine."""

    def __init__(self, machine: Machine, link_command: str) -> None:
        self.machine = machine
        self.url, _, self.token = machine.run(link_command).strip().partition("/#")
        assert self.url == "http://127.0.0.1:8460"

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, Any]:
        words = f"'{self.url}{path}' '{self.token}' '{body}'"
        said = self.machine.run(f"/opt/pixd/bin/python /root/ask.py {method} {words}")
        status, answer = json.loads(said)
        return int(status), answer

    def put(self, path: str, number: int) -> Any:
        """Put a picture into the folder that `path` begins with, or a pair into training."""
        made = pair(number) if path.startswith("training") else picture(number)
        made.save(self.machine.path("/root/upload.png"))
        status, answer = self.ask("PUT", f"/api/tiny/{path}", "/root/upload.png")
        assert status == 201, answer
        return answer


@pytest.fixture(scope="module", autouse=True)
def surroundings(machine: Machine) -> Iterator[None]:
    machine.write("/root/ask.py", ASK)
    machine.write(CONFIG, text(FOLDER, "/var/lib/pixd/page-store") + "web: true\n")
    machine.run("useradd --create-home carla --shell /bin/bash")
    machine.run("chmod 700 /home/carla")
    machine.write(LETTER, "dear")
    yield
    machine.attempt("pixd service uninstall")


def test_install_refuses_where_uploads_could_not_go_and_names_the_command(machine: Machine) -> None:
    machine.run(f"mkdir -p {FOLDER}/training")
    refused = machine.attempt(INSTALL)
    assert refused.returncode == 1
    assert f"pixd-web cannot write into the folder {FOLDER}/training" in refused.stdout
    assert f"u:pixd-web:rwX,d:u:pixd-web:rwX,d:u:pixd:rX {FOLDER}/training" in refused.stdout
    assert not machine.path("/etc/systemd/system/pixd-web.service").exists()
    machine.run(f"rmdir {FOLDER}/training")


def test_install_starts_the_page_beside_the_service_and_says_how_to_open_it(
    machine: Machine,
) -> None:
    said = machine.run(INSTALL)
    assert f"made {FOLDER}/training" in said
    assert "systemctl restart pixd-web.service\n" in said
    assert f"\nsudo /opt/pixd/bin/pixd --config {CONFIG} web --link\n" in said
    for unit, user in (("pixd", "pixd"), ("pixd-web", "pixd-web")):
        names = ("ActiveState", "User", "NRestarts", "UnitFileState", "Result")
        assert machine.shown(*names, unit=unit) == {
            "ActiveState": "active",
            "User": user,
            "NRestarts": "0",
            "UnitFileState": "enabled",
            "Result": "success",
        }
    found = _page_unit(machine)
    assert found["state"] == "ok"
    assert found["told"] == "pixd-web.service is enabled and active"


@pytest.fixture(scope="module")
def browser(machine: Machine) -> Browser:
    return Browser(machine, f"pixd --config {CONFIG} web --link")


def test_the_page_answers_who_has_the_token(browser: Browser) -> None:
    status, said = browser.ask("GET", "/api/status")
    assert (status, said["state"]) == (200, "ok"), said
    assert browser.ask("GET", "/")[0] == 200
    stranger = browser.machine.run(
        f"/opt/pixd/bin/python /root/ask.py GET {browser.url}/api/status wrong ''"
    )
    assert json.loads(stranger)[0] == 401


def test_status_says_whether_the_unit_runs(machine: Machine) -> None:
    unit = {"name": "pixd-web.service", "manager": "system"}
    assert _told_by_status(machine) == {**unit, "state": "running"}
    machine.run("systemctl stop pixd-web")
    assert _told_by_status(machine) == {**unit, "state": "down"}
    machine.run("systemctl start pixd-web")

    # A crash is not shown at once: systemd starts it again, and gives up after five times.
    def is_given_up() -> bool:
        return machine.shown("ActiveState", unit="pixd-web") == {"ActiveState": "failed"}

    while not is_given_up():
        if machine.pid("pixd-web"):
            machine.run("systemctl kill --signal=SEGV pixd-web")
        machine.until(lambda: machine.pid("pixd-web") or is_given_up(), 60, "what becomes of it")
    assert _told_by_status(machine)["state"] == "down"
    machine.run("systemctl reset-failed pixd-web")
    machine.run("systemctl start pixd-web")
    assert _told_by_status(machine) == {**unit, "state": "running"}


def test_uploads_land_in_the_folders_and_are_taken_by_the_service(browser: Browser) -> None:
    machine = browser.machine
    for number in range(12):
        browser.put(f"training/{number:03d}.png", number)
    answer = browser.put("input/deep/drawn.png", 0)
    assert answer["change"] is not None  # the service has recorded it
    about = machine.run(f"stat -c '%U %a' {FOLDER}/input/deep/drawn.png")
    assert about.split() == ["pixd-web", "664"]
    output = machine.path(f"{FOLDER}/output/deep/drawn.png")
    machine.until(output.is_file, 180, "the output of what was uploaded")


def test_the_page_shows_and_draws_under_the_filter(browser: Browser) -> None:
    machine = browser.machine
    machine.until(
        lambda: browser.ask("GET", "/api/tiny/outputs")[1]["rows"], 60, "an output on the page"
    )
    pictures = browser.ask("GET", "/api/tiny/outputs")[1]["rows"][0]["pictures"]
    status, shown = browser.ask("GET", pictures["view"])  # decoded by the viewer
    assert (status, shown["type"][:6]) == (200, "image/"), shown
    picture(3).save(machine.path("/root/draft.png"))
    status, drawn = browser.ask("POST", "/api/tiny/draft", "/root/draft.png")
    assert (status, drawn["type"]) == (200, "image/png"), drawn
    confined = machine.run(f"cat /proc/{machine.pid('pixd-web')}/status")
    assert "\nSeccomp:\t2\n" in confined  # 2: a filter
    assert "\nCapBnd:\t0000000000000000\n" in confined


def test_the_page_writes_where_uploads_go_and_nowhere_else(browser: Browser) -> None:
    machine = browser.machine

    def attempt(command: str) -> str:
        # As root, so that the view of the file system alone refuses.
        done = machine.attempt(f"nsenter --target {machine.pid('pixd-web')} --mount -- {command}")
        return done.stdout.strip() or str(done.returncode)

    for folder in ("training", "input"):
        assert attempt(f"touch {FOLDER}/{folder}/.try") == "0"
        assert attempt(f"rm {FOLDER}/{folder}/.try") == "0"
    for path in (f"{FOLDER}/output/x", "/var/lib/pixd/page-store/x", "/etc/x", "/opt/pixd/x"):
        assert "Read-only file system" in attempt(f"touch {path}"), path
    assert attempt("ls /home") == "0"  # it says nothing


def test_the_first_visit_starts_the_page_where_its_socket_waits(browser: Browser) -> None:
    machine = browser.machine
    socket = machine.path("/etc/systemd/system/pixd-web.socket")
    socket.write_text(units.shipped("pixd-web.socket"))
    machine.run("systemctl daemon-reload")
    machine.run("systemctl disable --now pixd-web.service")
    machine.run("systemctl enable --now pixd-web.socket")
    assert not machine.pid("pixd-web")
    assert _page_unit(machine)["state"] == "ok"
    assert _told_by_status(machine)["state"] == "on-demand"
    assert browser.ask("GET", "/api/status")[0] == 200
    assert machine.pid("pixd-web")
    machine.run("systemctl disable --now pixd-web.socket")
    socket.unlink()


def test_the_page_listens_on_a_socket_of_its_group_in_a_folder_that_systemd_makes(
    machine: Machine,
) -> None:
    place = "/run/pixd-web/page.sock"
    listen = f"web: {{listen: {place}}}\n"
    machine.write(CONFIG, text(FOLDER, "/var/lib/pixd/page-store") + listen)
    machine.run(INSTALL)
    assert machine.run(f"stat -c '%U %G %a' {place}").split() == ["pixd-web", "pixd-web", "660"]
    machine.write("/root/knock.py", KNOCK)
    said = machine.run(f"/opt/pixd/bin/python /root/knock.py {place}")
    assert said.startswith("HTTP/1.1 204 ")


def test_folders_in_a_home_are_bound_for_the_page_too(machine: Machine) -> None:
    """Also with a name that systemd would read otherwise, and a home that is closed to others."""
    folder = "/home/carla/my 100% $drawings"
    machine.run(f"mkdir '{folder}' '{folder}/training' '{folder}/input' '{folder}/output'")
    machine.write(f"{folder}/config.yaml", text(".", "./store") + "web: true\n")
    machine.run(f"chown -R carla: '{folder}'")
    install = f"pixd --config '{folder}/config.yaml' service install"
    machine.run(f"chgrp pixd '{folder}/output'")
    machine.run(f"chmod g+rwx '{folder}/output'")
    refused = machine.attempt(install)
    assert refused.returncode == 1
    assert f"pixd-web cannot write into the folder {folder}/input" in refused.stdout
    # One command for both folders, which is enough as it stands.
    remedy = refused.stdout.partition("setfacl ")[2].partition(" (also x")[0]
    assert remedy.endswith(f"'{folder}/training' '{folder}/input'")
    machine.run(f"setfacl {remedy}")
    said = machine.run(install)
    assert f"sudo /opt/pixd/bin/pixd --config '{folder}/config.yaml' web --link\n" in said
    browser = Browser(machine, f"pixd --config '{folder}/config.yaml' web --link")
    for number in range(12):
        browser.put(f"training/{number:03d}.png", number)
    assert browser.put("input/drawn.png", 1)["change"] is not None
    about = machine.run(f"stat -c %U '{folder}/input/drawn.png'")
    assert about.strip() == "pixd-web"
    output = machine.path(f"{folder}/output/drawn.png")
    machine.until(output.is_file, 180, "an output in the home")
    # What belongs to pixd-web is still for whose home it is.
    machine.run(f"runuser -u carla -- touch '{folder}/input/drawn.png'")
    view = machine.run(
        f"nsenter --target {machine.pid('pixd-web')} --mount -- ls /home/carla /home"
    )
    assert Path(LETTER).name not in view


def test_installing_again_without_the_page_removes_its_unit_and_says_so(machine: Machine) -> None:
    machine.write(CONFIG, text(FOLDER, "/var/lib/pixd/page-store"))
    said = machine.run(INSTALL)
    assert f"{CONFIG} asks for no page" in said
    assert "systemctl disable --now pixd-web.service\n" in said
    assert "removed /etc/systemd/system/pixd-web.service\n" in said
    assert machine.shown("LoadState", "ActiveState", unit="pixd-web") == {
        "LoadState": "not-found",
        "ActiveState": "inactive",
    }
    assert machine.shown("ActiveState") == {"ActiveState": "active"}


def test_uninstall_removes_both_units_and_leaves_tokens_and_data(machine: Machine) -> None:
    machine.run(f"{INSTALL} --web")
    assert machine.pid("pixd-web")
    said = machine.run("pixd service uninstall")
    assert "left the user pixd-web too, with its tokens in /var/lib/pixd-web" in said
    assert not [p for p in machine.path("/etc/systemd/system").rglob("*") if "pixd" in p.name]
    assert not machine.pids("/opt/pixd/bin/python")
    assert list(machine.path("/var/lib/pixd-web/web").glob("*/tokens.json"))
    assert machine.path(f"{FOLDER}/output/deep/drawn.png").is_file()


def test_a_person_can_have_a_page_of_their_own(machine: Machine) -> None:
    machine.run("loginctl enable-linger carla")
    machine.run("mkdir -p /srv/carla/training /srv/carla/input /srv/carla/output")
    machine.write("/srv/carla/config.yaml", text("/srv/carla", "./store") + "web: true\n")
    machine.run("chown -R carla: /srv/carla")
    number = machine.run("id -u carla").strip()
    mine = f"runuser -u carla -- env XDG_RUNTIME_DIR=/run/user/{number} HOME=/home/carla"
    machine.until(
        lambda: machine.attempt(f"{mine} systemctl --user is-system-running").returncode == 0,
        30,
        "carla's systemd",
    )
    config = "/opt/pixd/bin/pixd --config /srv/carla/config.yaml"
    said = machine.run(f"{mine} {config} service install --user")
    link = said.strip().splitlines()[-1]
    assert link == f"{config} web --link"
    browser = Browser(machine, f"{mine} {link}")
    answer = browser.put("input/mine.png", 2)
    assert answer["change"] is not None
    assert machine.run("stat -c %U /srv/carla/input/mine.png").strip() == "carla"
    told = json.loads(machine.attempt(f"{mine} {config} status --json").stdout)
    assert (told["page_unit"]["manager"], told["page_unit"]["state"]) == ("user", "running")
    machine.run(f"{mine} {config} service uninstall --user")
    for unit in ("pixd", "pixd-web"):
        gone = machine.attempt(f"{mine} systemctl --user is-active {unit}")
        assert gone.stdout.strip() == "inactive"


def _told_by_status(machine: Machine) -> dict[str, Any]:
    """Return what `pixd status` says of the page's unit."""
    done = machine.attempt(f"pixd --config {CONFIG} status --json")
    return dict(json.loads(done.stdout)["page_unit"])


def _page_unit(machine: Machine) -> dict[str, Any]:
    """Return what `pixd doctor` says of the page's unit."""
    done = machine.attempt(f"pixd --config {CONFIG} doctor --no-model --json")
    return {one["name"]: dict(one) for one in json.loads(done.stdout)["checks"]}["page unit"]
