"""The units: what is shipped, what is made from a configuration, and what systemd thinks of both."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.cli import cluster_units, main, units
from pixd.cli.unit_text import quoted
from pixd.cli.units import PAGE, SERVICE, Installation, Unit
from pixd.cluster import reach
from pixd.cluster.member import Part
from pixd.config.load import load
from pixd.config.settings import Settings
from pixd.system.errors import UsageError
from pixd.system.host_port import HostPort
from tests.support.wheel import ROOT, build_wheel

SHIPPED = (
    *("pixd.service", "pixd.sysusers", "gpu.conf", "home.conf", "user/pixd.service"),
    *("user/pixd-web.service", "pixd-web.service", "pixd-web.socket", "pixd-web.sysusers"),
    *("pixd-head.service", "pixd-worker.service", "pixd-worker.sysusers", "ray.conf"),
)
OPT = Installation(command=("/opt/pixd/bin/pixd",), folders=(Path("/opt/pixd"), Path("/usr")))

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


def settings_in(folder: str, base: Path, store: str = "/var/lib/pixd/store") -> Settings:
    path = base / "config.yaml"
    path.write_text(
        f"store: {store}\n"
        + "".join(f'{kind}: "{folder}/{kind}"\n' for kind in ("training", "input", "output"))
    )
    return load(path)


def pixd(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    return subprocess.run(
        [sys.executable, "-m", "pixd", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "my pictures"
    assert pixd(tmp_path, "init", str(folder)).returncode == 0
    return folder


@pytest.fixture
def printed(pictures: Path, tmp_path: Path) -> list[tuple[str, Path]]:
    """Return what `service print --web` says for the machine and for a person, as unit files."""
    made = []
    for kind, words in (("system", []), ("user", ["--user"])):
        done = pixd(pictures, "service", "print", "--web", *words)
        assert done.returncode == 0, done.stderr
        service, page = re.split(r"^# .*/pixd-web\.service$", done.stdout, flags=re.MULTILINE)
        for name, text in (("pixd.service", service), ("pixd-web.service", page)):
            path = tmp_path / kind / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            made.append((kind, path))
    return made


# -- what systemd thinks --------------------------------------------------------------------


@needs_analyze
def test_systemd_finds_nothing_to_complain_about(printed: list[tuple[str, Path]]) -> None:
    assert len(printed) == 4
    for kind, path in printed:
        done = subprocess.run(
            ["systemd-analyze", "verify", f"--{kind}", "--man=no", "--generators=no", path],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(path.parent)},
            check=False,
        )
        about = [line for line in done.stderr.splitlines() if "pixd" in line]
        assert (done.returncode, about) == (0, []), path


@needs_analyze
@pytest.mark.parametrize(
    ("name", "drop_in"),
    [
        *(("pixd.service", one) for one in ("", "home.conf", "gpu.conf")),
        *(("pixd-web.service", one) for one in ("", "home.conf", "gpu.conf")),
        *(("pixd-worker.service", one) for one in ("", "home.conf")),
        *(("pixd-head.service", ""), ("pixd.service", "ray.conf")),
    ],
)
def test_the_exposure_is_low_with_every_drop_in(tmp_path: Path, name: str, drop_in: str) -> None:
    unit = tmp_path / name
    unit.write_text(units.shipped(name) + (units.shipped(drop_in) if drop_in else ""))
    # Of 100, so 1.5 on the scale of 10 that the report uses.
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


# -- what is shipped ------------------------------------------------------------------------


def test_the_wheel_carries_units_and_shell_scripts_byte_for_byte(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel(tmp_path / "wheel")) as wheel:
        for name in SHIPPED:
            carried = wheel.read(f"pixd/cli/unit_files/{name}")
            assert carried == (ROOT / "systemd" / name).read_bytes()
        for script in (ROOT / "pixd" / "cli" / "shell_scripts").iterdir():
            assert wheel.read(f"pixd/cli/shell_scripts/{script.name}") == script.read_bytes()


def test_every_file_of_the_folder_is_shipped_and_every_line_has_a_place_in_the_docs() -> None:
    folder = ROOT / "systemd"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == set(SHIPPED)
    docs = "".join(
        (ROOT / "docs" / name).read_text() for name in ("service.md", "web.md", "cluster.md")
    )
    units_there = ("pixd.service", "pixd-web.service", "pixd-head.service", "pixd-worker.service")
    for name in (*units_there, "gpu.conf", "home.conf", "ray.conf"):
        for key in re.findall(r"^(\w+)=", units.shipped(name), re.MULTILINE):
            assert f"`{key}" in docs, key


# -- a machine of a cluster -----------------------------------------------------------------


def part_for(**fields: Any) -> Part:
    usual: dict[str, Any] = {"is_head": False, "address": HostPort("10.0.0.5", 6379)}
    return Part(**{**usual, "token": Path("/etc/pixd/ray-token"), **fields})


def test_the_worker_s_drop_in_joins_the_head_and_keeps_ray_s_files_in_its_state() -> None:
    files = cluster_units.files(part_for(gpus=1), OPT, has_gpu=True)
    assert [file.path.name for file in files] == [
        *("pixd-worker.conf", "pixd-worker.service", "gpu.conf", "installed.conf")
    ]
    assert files[-1].text.splitlines()[-1] == (
        'ExecStart=/opt/pixd/bin/pixd cluster join "10.0.0.5:6379" --token /etc/pixd/ray-token'
        " --folder /var/lib/pixd-worker/ray --gpus 1"
    )
    assert {file.path for file in files} <= set(cluster_units.paths(cluster_units.WORKER))


def test_the_head_is_the_service_s_user_and_what_is_in_a_home_is_bound() -> None:
    home = Installation(command=("/home/a/venv/bin/pixd",), folders=(Path("/home/a/venv"),))
    part = part_for(is_head=True, token=Path("/home/a/token"))
    files = cluster_units.files(part, home, has_gpu=False)
    assert [file.path.name for file in files] == [
        *("pixd.conf", "pixd-head.service", "home.conf", "installed.conf")
    ]
    assert "User=pixd\n" in files[1].text
    assert "--folder /var/lib/pixd/ray" in files[-1].text
    assert "BindReadOnlyPaths=-/home/a/token" in files[-1].text
    assert "BindReadOnlyPaths=-/home/a/venv" in files[-1].text
    # The service's user is not this unit's alone, so its file stays when the unit goes.
    assert files[0].path not in cluster_units.paths(cluster_units.HEAD)


@needs_analyze
@pytest.mark.parametrize("is_head", [True, False])
def test_systemd_takes_the_units_of_a_cluster_with_their_drop_in(
    tmp_path: Path, *, is_head: bool
) -> None:
    here = Installation(command=(sys.executable, "-m", "pixd"), folders=(Path("/usr"),))
    part = part_for(is_head=is_head, tls=Path("/etc/pixd/my 100% tls"))
    user, unit, *drop_ins = cluster_units.files(part, here, has_gpu=False)
    path = tmp_path / unit.path.name
    path.write_text(unit.text + "".join(f"\n{one.text}" for one in drop_ins))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    about = [line for line in done.stderr.splitlines() if "pixd" in line]
    assert (done.returncode, about) == (0, [])
    assert user.text.startswith("#")


def test_the_service_gets_a_network_with_the_engine_ray_and_else_none(tmp_path: Path) -> None:
    settings = settings_in("/srv/pictures", tmp_path)
    names = [f.path.name for f in units.system_files(SERVICE, settings, OPT, has_gpu=False)]
    assert "ray.conf" not in names
    ray = dataclasses.replace(settings.ray, address="a:1", token=Path("/tmp/token"))
    with_ray = dataclasses.replace(settings, engine="ray", ray=ray)
    for unit, there in ((SERVICE, True), (PAGE, False)):
        files = units.system_files(unit, with_ray, OPT, has_gpu=False)
        assert ("ray.conf" in [file.path.name for file in files]) == there
    assert "BindReadOnlyPaths=-/tmp/token" in drop_in(with_ray)
    assert "BindPaths=-/tmp/ray" in drop_in(with_ray)
    mine = units.user_files(SERVICE, with_ray, OPT, Path("/home/a/systemd"))
    assert "ray.conf" in [file.path.name for file in mine]


def test_cluster_install_below_a_root_and_uninstall_again(tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = pixd(tmp_path, "cluster", "join", "10.0.0.5", "--cpus", "4", "--root", str(root))
    assert done.returncode == 0, done.stderr
    unit = root / "etc/systemd/system/pixd-worker.service"
    assert unit.read_text() == units.shipped("pixd-worker.service")
    made = (unit.with_name("pixd-worker.service.d") / "installed.conf").read_text()
    assert 'cluster join "10.0.0.5:6379" --token /etc/pixd/ray-token' in made
    assert "--cpus 4" in made
    assert "nothing was started" in done.stdout
    done = pixd(tmp_path, "cluster", "uninstall", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert not [path for path in root.rglob("*") if "pixd-worker" in path.name]
    done = pixd(tmp_path, "cluster", "uninstall", "--root", str(root))
    assert done.returncode == 2
    assert "pixd cluster join" in done.stderr


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    done = pixd(tmp_path, "cluster", "token", "etc/token")
    path = tmp_path / "etc/token"
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    assert reach.why_no_token(path) is None
    before = path.read_text()
    done = pixd(tmp_path, "cluster", "token", "etc/token")
    assert done.returncode == 1
    assert "File exists" in done.stderr
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["head"], "this machine's address is missing"),
        (["join"], "the address of the head is missing"),
        (["join", "10.0.0.5:port"], "10.0.0.5:port is no address"),
        (["join", "fd00::5"], "such as 10.0.0.5:6379 or [fd00::5]:6379"),
        (["join", "10.0.0.5", "--cpus", "-1"], "--cpus and --gpus are 0 or more"),
    ],
)
def test_what_makes_no_cluster_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    done = pixd(tmp_path, "cluster", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_ray_does_not_start_without_a_token_that_may_be_used(tmp_path: Path) -> None:
    done = pixd(tmp_path, "cluster", "join", "10.0.0.5", "--token", "none")
    assert done.returncode == 1
    assert "pixd cluster token" in done.stderr


def test_joining_a_head_that_is_not_there_says_so_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    assert pixd(tmp_path, "cluster", "token", "token").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = pixd(tmp_path, "cluster", "join", f"127.0.0.1:{port}", "--token", "token")
    assert done.returncode == 1
    assert f"the cluster at 127.0.0.1:{port} does not answer: connection refused" in done.stderr
    assert "pixd cluster head ADDRESS" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_may_use_the_token_of_the_units_user(tmp_path: Path) -> None:
    """`pixd doctor` is often asked by root, where the service has a user of its own."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef" * 4)
    token.chmod(0o600)
    os.chown(token, 1, 1)
    assert reach.why_no_token(token) is None


# -- what is made from a configuration ------------------------------------------------------


def drop_in(
    settings: Settings, installation: Installation = OPT, unit: Unit = SERVICE
) -> list[str]:
    files = units.system_files(unit, settings, installation, has_gpu=False)
    return files[-1].text.splitlines()


def with_web(settings: Settings, **keys: Any) -> Settings:
    return dataclasses.replace(settings, web=dataclasses.replace(settings.web, **keys))


def test_the_drop_in_names_the_commands_and_what_may_be_read_and_written(tmp_path: Path) -> None:
    settings = settings_in("/srv/pictures", tmp_path)
    made = drop_in(settings)
    start = f"ExecStart=/opt/pixd/bin/pixd --config {settings.path} run"
    assert made[made.index("ExecStart=") + 1] == start
    assert "ReadWritePaths=-/var/lib/pixd/store" in made
    assert "ReadOnlyPaths=-/srv/pictures/training" in made
    assert "ReadOnlyPaths=-/srv/pictures/input" in made
    assert "ReadWritePaths=-/srv/pictures/output" in made
    assert not [line for line in made if "/opt/pixd" in line and not line.startswith("Exec")]


def test_the_folder_of_the_metrics_file_may_be_written_and_never_the_root(tmp_path: Path) -> None:
    settings = settings_in("/srv/pictures", tmp_path)
    prom = dataclasses.replace(settings, metrics=Path("/var/lib/prometheus/pixd.prom"))
    assert "ReadWritePaths=-/var/lib/prometheus" in drop_in(prom)
    root = dataclasses.replace(settings, metrics=Path("/pixd.prom"))
    assert drop_in(root) == drop_in(settings)


def test_what_lies_in_a_home_is_bound_and_brings_the_drop_in_for_homes(tmp_path: Path) -> None:
    settings = settings_in("/home/anna/pictures", tmp_path)
    venv = Installation(
        command=("/home/anna/venv/bin/pixd",), folders=(Path("/home/anna/venv"), Path("/usr"))
    )
    files = units.system_files(SERVICE, settings, venv, has_gpu=True)
    assert [file.path.name for file in files] == [
        *("pixd.conf", "pixd.service", "gpu.conf", "home.conf", "installed.conf")
    ]
    made = files[-1].text.splitlines()
    assert "BindReadOnlyPaths=-/home/anna/pictures/training" in made
    assert "BindPaths=-/home/anna/pictures/output" in made
    assert "BindReadOnlyPaths=-/home/anna/venv" in made


def test_a_link_out_of_a_home_keeps_its_place_and_one_into_it_finds_its_end(
    tmp_path: Path,
) -> None:
    # /tmp is as empty to the service as a home; what links there or from there is bound.
    real = tmp_path / "real"
    (real / "training").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    made = drop_in(settings_in(str(link), tmp_path))
    assert f"BindReadOnlyPaths=-{real}/training:{link}/training" in made


def test_a_user_s_unit_has_no_folders_to_name(tmp_path: Path) -> None:
    files = units.user_files(
        SERVICE, settings_in("/srv/pictures", tmp_path), OPT, Path("/home/a/systemd")
    )
    assert [str(file.path) for file in files] == [
        "/home/a/systemd/pixd.service",
        "/home/a/systemd/pixd.service.d/installed.conf",
    ]
    assert "Paths=" not in files[1].text


def test_the_page_reads_the_store_and_writes_where_uploads_go_alone(tmp_path: Path) -> None:
    settings = settings_in("/srv/pictures", tmp_path)
    made = drop_in(settings, unit=PAGE)
    start = f"ExecStart=/opt/pixd/bin/pixd --config {settings.path} web"
    assert made[made.index("ExecStart=") + 1] == start
    assert not [line for line in made if line.startswith("ExecReload")]
    assert "ReadOnlyPaths=-/var/lib/pixd/store" in made
    assert {line for line in made if line.startswith("ReadWritePaths")} == {
        "ReadWritePaths=-/srv/pictures/training",
        "ReadWritePaths=-/srv/pictures/input",
    }
    assert "ReadOnlyPaths=-/srv/pictures/output" in made


def test_the_page_writes_nothing_where_uploads_are_off(tmp_path: Path) -> None:
    settings = with_web(settings_in("/srv/pictures", tmp_path), uploads=False)
    made = drop_in(settings, unit=PAGE)
    assert "ReadOnlyPaths=-/srv/pictures/input" in made
    assert not [line for line in made if line.startswith(("ReadWritePaths", "BindPaths"))]


def test_the_folder_of_the_pages_socket_may_be_written_unless_systemd_makes_it(
    tmp_path: Path,
) -> None:
    settings = settings_in("/srv/pictures", tmp_path)
    elsewhere = with_web(settings, listen="/srv/proxy/page.sock")
    assert "ReadWritePaths=-/srv/proxy" in drop_in(elsewhere, unit=PAGE)
    of_its_own = with_web(settings, listen="/run/pixd-web/page.sock")
    assert drop_in(of_its_own, unit=PAGE) == drop_in(settings, unit=PAGE)
    assert "RuntimeDirectory=pixd-web\n" in units.shipped("pixd-web.service")


def test_the_pages_folders_in_a_home_are_bound_quoted_as_systemd_reads_them(
    tmp_path: Path,
) -> None:
    settings = settings_in("/home/anna/my 100% pictures", tmp_path)
    files = units.system_files(PAGE, settings, OPT, has_gpu=True)
    assert [file.path.name for file in files] == [
        *("pixd-web.conf", "pixd-web.service", "gpu.conf", "home.conf", "installed.conf")
    ]
    made = files[-1].text.splitlines()
    assert 'BindPaths="-/home/anna/my 100%% pictures/training"' in made
    assert 'BindReadOnlyPaths="-/home/anna/my 100%% pictures/output"' in made


@pytest.mark.parametrize(
    ("word", "in_setting", "in_command"),
    [
        ("/srv/a", "/srv/a", "/srv/a"),
        ("/srv/a b", '"/srv/a b"', '"/srv/a b"'),
        ("/srv/50%", "/srv/50%%", "/srv/50%%"),
        ("/srv/$x", "/srv/$x", "/srv/$$x"),
        ('/srv/"', '"/srv/\\""', '"/srv/\\""'),
        ("/srv/a\\b", '"/srv/a\\\\b"', '"/srv/a\\\\b"'),
        ("/srv/a:b", '"/srv/a:b"', '"/srv/a:b"'),
        ("/srv/größe", "/srv/größe", "/srv/größe"),
    ],
)
def test_systemd_reads_a_quoted_word_as_it_was(word: str, in_setting: str, in_command: str) -> None:
    assert quoted(word) == in_setting
    assert quoted(word, is_command=True) == in_command


@given(st.text(st.characters(categories=["Cc", "Zl", "Zp"]), min_size=1))
def test_a_name_that_would_break_the_line_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        quoted(f"/srv/{word}")


# -- the command ----------------------------------------------------------------------------


def test_install_below_a_root_writes_what_is_shipped_and_starts_nothing(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    done = pixd(pictures, "service", "install", "--root", str(root))
    assert done.returncode == 0, done.stderr
    unit = root / "etc/systemd/system/pixd.service"
    assert unit.read_text() == units.shipped("pixd.service")
    assert (root / "etc/sysusers.d/pixd.conf").read_text() == units.shipped("pixd.sysusers")
    drop_ins = unit.with_name("pixd.service.d")
    assert str(pictures) in (drop_ins / "installed.conf").read_text()
    assert f"wrote {unit}" in done.stdout
    assert "nothing was started" in done.stdout


def asks_for_a_page(folder: Path, answer: str) -> None:
    config_file = folder / "config.yaml"
    lines = [line for line in config_file.read_text().splitlines() if not line.startswith("web:")]
    config_file.write_text("\n".join([*lines, f"web: {answer}", ""]))


@pytest.mark.parametrize(
    ("answer", "words", "is_there"),
    [
        ("true", [], True),
        ("{uploads: false}", [], True),
        ("{start: false}", [], False),
        ("false", [], False),
        ("false", ["--web"], True),
    ],
)
def test_the_page_is_installed_where_the_configuration_or_the_command_asks_for_it(
    pictures: Path, tmp_path: Path, answer: str, words: list[str], *, is_there: bool
) -> None:
    root = tmp_path / "root"
    asks_for_a_page(pictures, answer)
    done = pixd(pictures, "service", "install", *words, "--root", str(root))
    assert done.returncode == 0, done.stderr
    unit = root / "etc/systemd/system/pixd-web.service"
    wanted = [
        *(unit, unit.with_name("pixd-web.service.d") / "installed.conf"),
        root / "etc/sysusers.d/pixd-web.conf",
    ]
    assert [path.exists() for path in wanted] == [is_there] * 3
    assert ("systemctl enable --now pixd pixd-web\n" in done.stdout) == is_there
    if is_there:
        assert unit.read_text() == units.shipped("pixd-web.service")
        assert str(pictures) in wanted[1].read_text()


def test_a_persons_page_is_a_unit_of_their_own(pictures: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    done = pixd(pictures, "service", "install", "--user", "--web", "--root", str(root))
    assert done.returncode == 0, done.stderr
    [unit] = root.rglob("pixd-web.service")
    assert unit.read_text() == units.shipped("user/pixd-web.service")
    assert " web\n" in (unit.with_name("pixd-web.service.d") / "installed.conf").read_text()
    assert not (root / "etc").exists()


def test_installing_again_without_a_page_removes_its_unit_and_says_so(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    asks_for_a_page(pictures, "true")
    assert pixd(pictures, "service", "install", "--root", str(root)).returncode == 0
    asks_for_a_page(pictures, "false")
    done = pixd(pictures, "service", "install", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert f"{pictures}/config.yaml asks for no page" in done.stdout
    assert f"removed {root}/etc/systemd/system/pixd-web.service\n" in done.stdout
    assert [path for path in root.rglob("*") if "pixd-web" in path.name] == []
    assert (root / "etc/systemd/system/pixd.service").exists()


def test_a_unit_of_the_page_that_was_copied_by_hand_is_left_alone(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    assert pixd(pictures, "service", "install", "--root", str(root)).returncode == 0
    unit = root / "etc/systemd/system/pixd-web.service"
    unit.write_text(units.shipped("pixd-web.service"))
    assert pixd(pictures, "service", "install", "--root", str(root)).returncode == 0
    assert pixd(pictures, "service", "uninstall", "--root", str(root)).returncode == 0
    assert [path for path in root.rglob("*") if path.is_file()] == [unit]


def test_without_what_serves_the_page_nothing_is_installed(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asks_for_a_page(pictures, "true")
    monkeypatch.chdir(pictures)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "uvicorn" else found(name)
    )
    assert main.main(["service", "install", "--root", str(tmp_path / "root")]) == 1
    assert "pip install 'pixd[web]'" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()


def test_installing_again_removes_a_drop_in_of_ours_that_is_not_needed(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    drop_ins = root / "etc/systemd/system/pixd.service.d"
    drop_ins.mkdir(parents=True)
    (drop_ins / "gpu.conf").write_text("[Service]\n")
    (drop_ins / "override.conf").write_text("[Service]\nNice=19\n")
    config_file = pictures / "config.yaml"
    config_file.write_text(config_file.read_text().replace("device: auto", "device: cpu"))
    assert pixd(pictures, "service", "install", "--root", str(root)).returncode == 0
    assert not (drop_ins / "gpu.conf").exists()
    assert (drop_ins / "override.conf").exists()


def test_uninstall_leaves_what_the_administrator_wrote_and_the_data(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    assert pixd(pictures, "service", "install", "--web", "--root", str(root)).returncode == 0
    override = root / "etc/systemd/system/pixd.service.d/override.conf"
    override.write_text("[Service]\nNice=19\n")
    before = sorted(pictures.rglob("*"))
    done = pixd(pictures, "service", "uninstall", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert [path for path in root.rglob("*") if path.is_file()] == [override]
    assert "override.conf" in done.stdout
    assert sorted(pictures.rglob("*")) == before
    again = pixd(pictures, "service", "uninstall", "--root", str(root))
    assert again.returncode == 2
    assert "pixd service uninstall --user" in again.stderr


def test_a_wrong_configuration_installs_nothing(pictures: Path, tmp_path: Path) -> None:
    (pictures / "config.yaml").write_text("storr: x\n")
    done = pixd(pictures, "service", "install", "--root", str(tmp_path / "root"))
    assert done.returncode == 78
    assert not (tmp_path / "root").exists()


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="this machine has a systemd")
@pytest.mark.parametrize("words", [[], ["--user"]])
def test_without_systemd_it_says_what_to_do_instead(pictures: Path, words: list[str]) -> None:
    done = pixd(pictures, "service", "install", *words)
    assert done.returncode == 1
    assert "not started by systemd" in done.stderr
    assert "pixd run" in done.stderr


def test_check_config_can_be_brief_for_the_journal(pictures: Path) -> None:
    done = pixd(pictures, "check-config", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{pictures}/config.yaml is good\n"


def test_a_place_that_cannot_be_written_is_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "etc").write_text("no folder")
    done = pixd(pictures, "service", "install", "--root", str(tmp_path / "root"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"pixd: {tmp_path}/root/etc")
