"""The shipped unit under a real systemd, hardening and all, from install to uninstall.

`make test-systemd` runs this. The tests share one machine and build on one another, in the order
in which they stand here: a service that runs for long is what they are about.
"""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.support.tiny import pair, picture
from tests.systemd.conftest import Service, text
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]  # the tree is built once, in minutes

WATCHDOG_S = 20


def test_install_says_what_it_did_and_the_service_is_ready_before_any_training(
    service: Service,
) -> None:
    assert "wrote /etc/systemd/system/pixd.service\n" in service.said
    assert "systemctl restart pixd.service\n" in service.said
    machine = service.machine
    shown = machine.shown("ActiveState", "Type", "User", "NRestarts", "UnitFileState", "Result")
    assert shown == {
        "ActiveState": "active",  # with Type=notify: it has said READY=1
        "Type": "notify",
        "User": "pixd",
        "NRestarts": "0",
        "UnitFileState": "enabled",
        "Result": "success",
    }
    assert not machine.pids("pixd.pix2pix.train")


def test_the_exposure_in_the_booted_system_is_low(service: Service) -> None:
    said = service.machine.run("systemd-analyze security pixd.service --threshold=15 --no-pager")
    exposure = re.search(r"Overall exposure level for pixd.service: ([0-9.]+)", said)
    assert exposure
    assert float(exposure[1]) <= 1.5


def test_pairs_are_trained_on_and_inputs_translated_under_the_filter(service: Service) -> None:
    for number in range(12):
        pair(number).save(service.folder / "training" / f"{number:03d}.png")
    for number in range(3):
        picture(number).save(service.folder / "input" / f"in-{number}.png")
    trainer = service.wait_for_training()
    confined = service.machine.run(f"cat /proc/{trainer}/status")
    assert "\nSeccomp:\t2\n" in confined  # 2: a filter
    assert "\nNoNewPrivs:\t1\n" in confined
    assert "\nCapBnd:\t0000000000000000\n" in confined
    for number in range(3):
        service.wait_for_output(f"in-{number}.png")
    assert len(_models(service.machine)) == 1


def test_the_status_line_is_shown(service: Service) -> None:
    machine = service.machine
    machine.until(
        lambda: machine.shown("StatusText")["StatusText"].startswith("tiny: "), 30, "a status line"
    )
    said = machine.attempt("systemctl status pixd --no-pager").stdout
    assert re.search(r'Status: "tiny: (idle|translator \w+)', said), said


def test_the_service_sees_and_writes_what_it_must_and_nothing_else(service: Service) -> None:
    machine = service.machine
    machine.write("/home/berta/letter", "dear")

    def attempt(command: str) -> str:
        # In the service's own view of the file system, network and processes.
        done = machine.attempt(f"nsenter --target {machine.pid()} --mount --net -- {command}")
        return done.stdout.strip() or str(done.returncode)

    assert attempt("touch /srv/pictures/output/.try") == "0"
    assert attempt("rm /srv/pictures/output/.try") == "0"
    assert attempt("touch /var/lib/pixd/store/.try") == "0"
    for path in ("/srv/pictures/training/x", "/srv/pictures/input/x", "/etc/x", "/opt/pixd/x"):
        assert "Read-only file system" in attempt(f"touch {path}"), path
    assert attempt("ls /home") == "0"  # it says nothing
    assert "nvidia" not in attempt("ls /dev")
    interfaces = attempt("cat /proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def test_journal_lines_have_priorities_and_no_marks(service: Service) -> None:
    machine = service.machine
    (service.folder / "input" / "broken.png").write_bytes(b"no picture at all")

    def lines() -> list[dict[str, str]]:
        said = machine.run("journalctl -t pixd -o json --no-pager")
        return [json.loads(line) for line in said.splitlines()]

    machine.until(
        lambda: any("broken.png" in str(line["MESSAGE"]) for line in lines()), 60, "a warning"
    )
    of = {str(line["MESSAGE"]): line["PRIORITY"] for line in lines()}
    assert not [message for message in of if message.startswith("<")]
    assert {of[message] for message in of if "broken.png" in message} <= {"3", "4"}
    assert {of[message] for message in of if message.startswith("pixd serves")} == {"6"}
    (service.folder / "input" / "broken.png").unlink()


def test_a_killed_service_is_started_again_and_goes_on(service: Service) -> None:
    machine = service.machine
    before, restarts = machine.pid(), int(machine.shown("NRestarts")["NRestarts"])
    machine.run(f"kill -KILL {before}")
    picture(20).save(service.folder / "input" / "while-dead.png")
    machine.until(lambda: machine.pid() not in {0, before}, 60, "another process")
    assert int(machine.shown("NRestarts")["NRestarts"]) == restarts + 1
    service.wait_for_output("while-dead.png")


def test_a_killed_trainer_is_started_again_by_the_service(service: Service) -> None:
    machine = service.machine
    before, models = machine.pid(), len(_models(machine))
    pair(30).save(service.folder / "training" / "030.png")
    machine.run(f"kill -KILL {service.wait_for_training()}")
    machine.until(lambda: len(_models(machine)) > models, 120, "a model in spite of it")
    assert machine.pid() == before


def test_a_frozen_service_is_killed_by_the_watchdog_and_started_again(service: Service) -> None:
    machine = service.machine
    _drop_in(machine, f"WatchdogSec={WATCHDOG_S}\n")
    before = machine.pid()
    machine.run(f"kill -STOP {before}")
    machine.until(lambda: machine.pid() not in {0, before}, WATCHDOG_S + 60, "another process")
    assert "Watchdog timeout" in machine.run("journalctl -u pixd -n 50 --no-pager")
    picture(21).save(service.folder / "input" / "after-freeze.png")
    service.wait_for_output("after-freeze.png")


def test_a_worker_that_cannot_even_be_killed_stops_the_pings(service: Service) -> None:
    """SIGSTOP will not do: the service kills and replaces a child that only sleeps.

    A process in a frozen group of the old freezer hierarchy does not die by SIGKILL, as one that
    hangs in a driver does not.
    """
    freezer = Path("/sys/fs/cgroup/freezer")
    if not (freezer / "tasks").exists():
        pytest.skip("staging a child that cannot be killed needs the cgroup v1 freezer")
    machine = service.machine
    _drop_in(machine, f"WatchdogSec={WATCHDOG_S}\nTimeoutStopSec=5\n")
    translator = _translator(service)
    group = freezer / "pixd-test"
    group.mkdir(exist_ok=True)  # a run that was cut off left it
    try:
        (group / "tasks").write_text(str(machine.outer_pid(translator)))
        (group / "freezer.state").write_text("FROZEN")
        before = machine.pid()
        picture(22).save(service.folder / "input" / "behind-the-frozen.png")
        # 180 s to answer, 30 s in which to die, and the watchdog's own time.
        machine.until(lambda: machine.pid() not in {0, before}, 320, "another process")
        assert "Watchdog timeout" in machine.run("journalctl -u pixd -n 50 --no-pager")
    finally:
        (group / "freezer.state").write_text("THAWED")
        machine.until(lambda: not (group / "tasks").read_text(), 30, "the frozen one is gone")
        group.rmdir()
    service.wait_for_output("behind-the-frozen.png")


def test_a_reload_takes_a_changed_configuration(service: Service) -> None:
    machine = service.machine
    before = machine.pid()
    service.configure(output_size="source")
    machine.run("systemctl reload pixd")
    picture(23, (48, 40)).save(service.folder / "input" / "wide.png")
    # The model's own size would be 32 x 32.
    machine.until(lambda: _size(service, "wide.png") == (48, 40), 60, "an output of 48 x 40")
    assert machine.pid() == before


def test_a_reload_refuses_a_bad_configuration_and_keeps_the_old_one(service: Service) -> None:
    machine = service.machine
    before = machine.pid()
    service.configure(image_sise=64)
    done = machine.attempt("systemctl reload pixd")
    assert done.returncode != 0
    assert "image_sise: unknown key" in machine.run("journalctl -u pixd -n 20 --no-pager")
    assert machine.shown("ActiveState", "MainPID") == {
        "ActiveState": "active",
        "MainPID": str(before),
    }
    picture(24).save(service.folder / "input" / "after-refusal.png")
    service.wait_for_output("after-refusal.png")


def test_a_bad_configuration_at_the_start_is_not_tried_again(service: Service) -> None:
    machine = service.machine
    machine.attempt("systemctl restart pixd")
    assert machine.shown("ActiveState", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed",
        "ExecMainStatus": "78",
        "NRestarts": "0",
    }
    service.configure()
    machine.run("systemctl reset-failed pixd")
    machine.run("systemctl start pixd")


def test_the_end_in_the_midst_of_a_training_is_clean(service: Service) -> None:
    machine = service.machine
    pair(31).save(service.folder / "training" / "031.png")
    service.wait_for_training()
    machine.run("systemctl stop pixd")
    assert machine.shown("ActiveState", "Result", "ExecMainCode", "ExecMainStatus") == {
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainCode": "1",  # CLD_EXITED
        "ExecMainStatus": "0",
    }
    assert not machine.pids("/opt/pixd/bin/python")
    machine.run("systemctl start pixd")
    machine.until(lambda: not _is_pending(machine), 120, "the training goes on")


def test_folders_in_a_home_need_their_owners_leave_and_then_work(service: Service) -> None:
    """Also with a name that systemd would read otherwise, and a home that is closed to others."""
    machine = service.machine
    machine.run("useradd --create-home anna --shell /bin/bash")
    machine.run("chmod 700 /home/anna")
    machine.write("/home/anna/letter", "dear")
    folder = "/home/anna/my 100% $pictures"
    machine.run(f"mkdir '{folder}' '{folder}/training' '{folder}/input' '{folder}/output'")
    machine.write(f"{folder}/config.yaml", text(".", "/var/lib/pixd/home-store"))
    machine.run(f"chown -R anna: '{folder}'")
    # pixd in a virtual environment in the home, started by its Python.
    machine.run("/opt/pixd/bin/python -m venv --without-pip /home/anna/venv")
    packages = _packages(machine)
    machine.write(packages.replace("/opt/pixd", "/home/anna/venv") + "/pixd.pth", packages)
    install = f"/home/anna/venv/bin/python -m pixd --config '{folder}/config.yaml' service install"
    refused = machine.attempt(install)
    assert refused.returncode == 1
    assert f"pixd cannot write into the folder {folder}/output" in refused.stdout
    assert "setfacl" in refused.stdout
    machine.run(f"chgrp pixd '{folder}/output'")
    machine.run(f"chmod g+rwx '{folder}/output'")
    machine.run(install)
    assert "ExecStart=/home/anna/venv/bin/python -m pixd" in machine.run("systemctl cat pixd")
    inside = machine.path(folder)
    for number in range(12):
        pair(number).save(inside / "training" / f"{number:03d}.png")
    picture(0).save(inside / "input" / "in.png")
    output = inside / "output" / "in.png"
    machine.until(output.is_file, 120, "an output in the home")
    view = machine.run(f"nsenter --target {machine.pid()} --mount -- ls /home/anna /home")
    assert "letter" not in view
    refused = machine.attempt(
        f"nsenter --target {machine.pid()} --mount -- touch '{folder}/input/x'"
    )
    assert "Read-only file system" in refused.stdout


def test_a_person_can_have_a_service_of_their_own(service: Service) -> None:
    machine = service.machine
    machine.run("systemctl stop pixd")
    machine.run("loginctl enable-linger anna")
    machine.run("mkdir -p /srv/anna/training /srv/anna/input /srv/anna/output")
    machine.write("/srv/anna/config.yaml", text("/srv/anna", "./store"))
    machine.run("chown -R anna: /srv/anna")
    number = machine.run("id -u anna").strip()
    mine = f"runuser -u anna -- env XDG_RUNTIME_DIR=/run/user/{number} HOME=/home/anna"
    machine.until(
        lambda: machine.attempt(f"{mine} systemctl --user is-system-running").returncode == 0,
        30,
        "anna's systemd",
    )
    config = "pixd --config /srv/anna/config.yaml"
    refused = machine.attempt(f"runuser -u anna -- {config} service install")
    assert refused.returncode == 1
    assert (
        "sudo /opt/pixd/bin/pixd --config /srv/anna/config.yaml service install" in refused.stdout
    )
    machine.run(f"{mine} {config} service install --user")
    for n in range(12):
        pair(n).save(machine.path("/srv/anna/training") / f"{n:03d}.png")
    picture(0).save(machine.path("/srv/anna/input") / "in.png")
    output = machine.path("/srv/anna/output/in.png")
    machine.until(output.is_file, 120, "an output of anna's service")
    machine.run(f"{mine} {config} service uninstall --user")
    gone = machine.attempt(f"{mine} systemctl --user is-active pixd")
    assert gone.stdout.strip() == "inactive"


def test_uninstall_removes_the_service_and_leaves_the_data(service: Service) -> None:
    machine = service.machine
    said = machine.run("pixd service uninstall")
    assert "holds what is yours: test.conf" in said
    machine.path("/etc/systemd/system/pixd.service.d/test.conf").unlink()
    assert machine.shown("LoadState", "ActiveState") == {
        "LoadState": "not-found",
        "ActiveState": "inactive",
    }
    assert machine.path("/var/lib/pixd/store/lineage.db").is_file()
    assert service.has_output("in-0.png")
    machine.run("id pixd")


def _packages(machine: Machine) -> str:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return machine.run(f'/opt/pixd/bin/python -c "{code}"').strip()


def _size(service: Service, name: str) -> tuple[int, int] | None:
    if not service.has_output(name):
        return None
    from PIL import Image

    with Image.open(service.folder / "output" / name) as output:
        return output.size


def _models(machine: Machine) -> list[object]:
    return list(json.loads(machine.run("pixd models --json")))


def _is_pending(machine: Machine) -> bool:
    status = json.loads(machine.attempt("pixd status --json").stdout)
    return bool(status["pipelines"]["tiny"]["train"]["state"] != "idle")


def _translator(service: Service) -> int:
    """Return the warm translator, woken by an input if need be."""
    picture(25).save(service.folder / "input" / "wake.png")
    service.wait_for_output("wake.png")
    return service.machine.pids("pixd.pix2pix.translator")[0]  # the oldest; its children follow


def _drop_in(machine: Machine, settings: str) -> None:
    """Change the unit for a test, in the way that an administrator would."""
    machine.write("/etc/systemd/system/pixd.service.d/test.conf", f"[Service]\n{settings}")
    machine.run("systemctl daemon-reload")
    machine.run("systemctl restart pixd")
    assert int(machine.shown("WatchdogSignal")["WatchdogSignal"]) == signal.SIGKILL
