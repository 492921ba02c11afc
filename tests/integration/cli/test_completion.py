"""Completion, from the line that a shell hands over to what its own script makes of the answer."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cli import arguments as command_line
from pixd.cli.completion import VALUES, split
from tests.support.status_states import CONFIG, Clock, World

SHELLS = ("bash", "zsh", "fish")
SECOND = """\
  maps:
    training: ./maps/training
    input: ./maps/input
    output: ./maps/output
"""
# What bash puts in $2: the word from its last break on, and the at sign itself (readline's
# rl_special_prefixes), as an interactive bash 5.2 shows.
_BREAKS = re.compile(r"[\s\"'><=;|&(:]|(?=@)")
DRIVER = """\
compopt() { echo "compopt $*"; }  # the builtin works only while readline completes
source "$1"
_pixd pixd "$2" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Desk:
    """A folder with a filled store, and shells that find pixd on their path."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(folder / "desk", Clock(monkeypatch))
        self.world.fill()
        self.folder = self.world.folder
        (self.folder / "training").mkdir()
        (self.folder / "my photo.png").touch()
        programs = folder / "bin"
        programs.mkdir()
        package = Path(command_line.__file__).parents[2]
        program = programs / "pixd"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={package} exec {sys.executable} -m pixd "$@"\n')
        program.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self.scripts = {shell: folder / f"pixd.{shell}" for shell in SHELLS}
        for shell, script in self.scripts.items():
            script.write_text(self.run("pixd", "completions", shell))

    def run(self, *command: str, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout

    def complete(self, line: str) -> list[str]:
        """Return what pixd answers, without what is said about each word."""
        answers = self.run("pixd", "__complete", line).splitlines()
        return [answer.partition("\t")[0] for answer in answers]

    def bash(self, line: str) -> list[str]:
        """Return COMPREPLY, and calls of compopt."""
        word = _BREAKS.split(line)[-1]
        return self.run(
            "bash", "-c", DRIVER, "bash", str(self.scripts["bash"]), word,
            COMP_LINE=line, COMP_POINT=str(len(line)),
        ).split("\n")[:-1]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_every_word_that_can_be_typed_comes_from_the_parsers_and_the_store(desk: Desk) -> None:
    assert {"status", "run", "check-config"} <= set(desk.complete("pixd "))
    assert desk.complete("pixd sta") == ["status"]
    assert desk.complete("pixd --config=config.yaml sta") == ["status"]
    assert desk.complete("pixd status ") == ["-h", "--help", "--json", "--watch"]
    assert desk.complete("pixd status --json --") == ["--help", "--watch"]
    assert desk.complete("pixd run --log-format ") == ["text", "json", "journal"]
    assert desk.complete("pixd run --log-format=j") == ["--log-format=json", "--log-format=journal"]
    assert desk.complete("pixd promote m") == ["model@1"]
    assert desk.complete("pixd promote l") == []  # it is live already
    assert desk.complete("pixd export l") == ["live"]
    assert desk.complete("pixd export live ") == [":folders"]
    assert desk.complete("pixd restore ") == [
        "training@1", "training@HEAD", "input@1", "input@HEAD",
    ]  # fmt: skip
    assert desk.complete("pixd diff training@1 ") == ["training@1", "training@HEAD"]
    assert desk.complete("pixd diff model@1 ") == ["model@1"]
    assert desk.complete("pixd translate a.png --model ") == ["live", "model@1"]
    assert desk.complete("pixd translate a.png ") == [":files"]
    assert desk.complete("pixd show run@")[:1] == ["run@1"]
    assert desk.complete("pixd why --json run@1") == ["run@1", ":files"]
    assert desk.complete("pixd log tr") == ["training"]
    assert desk.complete("pixd wait c") == ["c1"]
    assert desk.complete("pixd log ")[-1] == "c1"
    assert desk.complete("pixd log -p ") == ["facades"]
    assert desk.complete("pixd log -pfac tr") == ["training"]
    assert desk.complete("pixd log training ") == [
        "-h",
        "--help",
        "-n",
        "-p",
        "--pipeline",
        "--json",
    ]
    assert desk.complete("pixd service ") == ["install", "uninstall", "print"]
    assert desk.complete("pixd prepare g") == ["grayscale"]
    assert desk.complete("pixd prepare combine a b ") == [":folders"]
    assert desk.complete("pixd prepare edges --fit ") == ["pad", "crop", "stretch"]
    assert "--strength" in desk.complete("pixd prepare edges a b --")
    assert desk.complete("pixd try --set train.l") == ["train.learning_rate=", "train.l1_weight="]
    assert "--set" in desk.complete("pixd try --set train.ngf=32,64 --")  # once for each key
    assert desk.complete("pixd no-such-command ") == []
    assert desk.complete("pixd status one two three ") == []


def test_with_several_pipelines_a_name_says_which(desk: Desk) -> None:
    desk.world.config.write_text(CONFIG + SECOND)
    assert desk.complete("pixd log -p ") == ["facades", "maps"]
    assert desk.complete("pixd promote f") == ["facades/model@1"]
    assert desk.complete("pixd promote -p facades m") == ["model@1"]
    assert desk.complete("pixd promote --pipeline=maps m") == []
    assert desk.complete("pixd diff facades/model@1 ") == ["facades/model@1"]


def test_whatever_is_wrong_a_prompt_is_left_in_peace(desk: Desk) -> None:
    (desk.world.settings.store / "lineage.db").write_bytes(b"no database" * 1000)
    assert desk.complete("pixd export ") == ["live"]
    desk.world.config.write_text("pipelines: 3\n")
    assert desk.complete("pixd promote -p ") == []
    desk.world.config.unlink()
    assert desk.complete("pixd show l") == ["live", ":files"]
    assert desk.complete("pixd show 'l") == ["live", ":files"]
    assert desk.complete("pixd -- -x \\") == []


def test_asking_loads_nothing_heavy(desk: Desk) -> None:
    heavy = ("tensorflow", "numpy", "PIL", "sqlite_utils", "watchdog", "rich", "hashlib")
    code = (
        "import sys; from pixd.cli import main; main.main(['__complete', 'pixd promote m']);"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    told = desk.run(sys.executable, "-c", code, *heavy).splitlines()
    assert told[0].startswith("model@1\t")
    assert told[-1] == "[]"


def test_every_placeholder_has_its_kinds() -> None:
    commands = list(command_line.parser().commands.values())
    below = [operation for command in commands for operation in command.commands.values()]
    for command in (*commands, *below):
        for action in (*command.positionals, *command.options):
            if action.nargs != 0 and action.choices is None:
                assert action.metavar in VALUES, (command.prog, action.dest)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pixd", ["pixd"]),
        ("pixd ", ["pixd", ""]),
        ("pixd show 'my ph", ["pixd", "show", "my ph"]),
        ('pixd show "my ph', ["pixd", "show", "my ph"]),
        (r"pixd show my\ ph", ["pixd", "show", "my ph"]),
        ("pixd log -- ", ["pixd", "log", "--", ""]),
        ("pixd show it's", ["pixd", "show", "its"]),
        ("pixd show #1", ["pixd", "show", "#1"]),
        ("", [""]),
    ],
)
def test_a_line_is_split_as_shells_do(line: str, words: list[str]) -> None:
    assert split(line) == words


# -- the scripts -----------------------------------------------------------------------------


def test_bash_adds_no_space_where_a_value_follows(desk: Desk) -> None:
    assert desk.bash("pixd try --set train.l1") == ["compopt -o nospace", "train.l1_weight="]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_good_shell_and_says_how_it_is_installed(shell: str, desk: Desk) -> None:
    script = desk.scripts[shell]
    head = script.read_text().removeprefix("#compdef pixd\n").splitlines()[:3]
    assert all(line.startswith("#") for line in head)
    assert any(f"pixd completions {shell} >" in line for line in head)
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    assert desk.run(shell, "-n", str(script)) == ""


def test_bash_gets_what_is_left_of_a_word_after_its_own_breaks(desk: Desk) -> None:
    assert desk.bash("pixd sta") == ["status"]
    assert desk.bash("pixd promote mod") == ["model@1"]
    assert desk.bash("pixd promote model@") == ["@1"]
    assert desk.bash("pixd run --log-format=js") == ["json"]
    assert desk.bash("pixd run --log-format te") == ["text"]


def test_bash_completes_paths_itself_and_only_where_one_can_stand(desk: Desk) -> None:
    assert desk.bash("pixd trace my") == ["compopt -o default", ""]
    assert desk.bash("pixd init ") == ["compopt -o dirnames", ""]
    assert desk.bash("pixd pause x") == [""]
    assert desk.bash("pixd show l") == ["live"]
    assert set(desk.bash("pixd why ")) >= {"run@1", r"my\ photo.png", "training/"}


def test_fish_shows_names_and_paths(desk: Desk) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")

    def fish(line: str) -> list[str]:
        code = f"source {desk.scripts['fish']}; complete -C {line!r}"
        told = desk.run("fish", "--no-config", "-c", code, HOME=str(desk.folder))
        return [answer.partition("\t")[0] for answer in told.splitlines()]

    assert fish("pixd sta") == ["status"]
    assert fish("pixd promote model@") == ["model@1"]
    assert fish("pixd run --log-format=te") == ["--log-format=text"]
    assert fish("pixd trace my") == ["my photo.png"]


@contextlib.contextmanager
def typing(desk: Desk, shell: str, *arguments: str) -> Iterator[int]:
    """Start an interactive shell on a terminal of its own and yield that terminal."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(desk.folder)
        os.execvpe(shell, [shell, *arguments], {**desk.environment, "TERM": "dumb"})  # noqa: S606 - the shell is what is tested
    try:
        yield terminal
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(terminal: int, wanted: str, timeout_s: float = 20.0) -> None:
    shown, ends_at = "", time.monotonic() + timeout_s
    while wanted not in shown:
        if not select.select([terminal], [], [], max(0.0, ends_at - time.monotonic()))[0]:
            pytest.fail(f"{wanted!r} was not shown, but {shown!r}")
        shown += os.read(terminal, 65536).decode(errors="replace")


def test_tab_in_an_interactive_bash_finishes_the_word(desk: Desk, tmp_path: Path) -> None:
    start = tmp_path / "bashrc"
    start.write_text(f"PS1='ready> '\nsource {desk.scripts['bash']}\n")
    with typing(desk, "bash", "--noprofile", "--rcfile", str(start), "-i") as terminal:
        read_until(terminal, "ready> ")
        for typed, shown in (
            (b"pixd promote mod\t", "pixd promote model@1 "),
            (b"pixd promote model@\t", "pixd promote model@1 "),
            (b"pixd run --log-format=te\t", "--log-format=text "),
            (b"pixd trace my\t", r"pixd trace my\ photo.png "),
            (b"pixd init tr\t", "pixd init training/"),
        ):
            os.write(terminal, typed)
            read_until(terminal, shown)
            os.write(terminal, b"\x15")  # ^U: the line away


def test_tab_in_an_interactive_zsh_finishes_the_word(desk: Desk, tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    start = tmp_path / "zdotdir" / ".zshrc"
    start.parent.mkdir()
    shutil.copy(desk.scripts["zsh"], start.parent / "_pixd")
    start.write_text(
        "fpath=($ZDOTDIR $fpath)\nautoload -Uz compinit\ncompinit -u -D\nPS1='ready> '\n"
    )
    desk.environment["ZDOTDIR"] = str(start.parent)
    with typing(desk, "zsh", "-i") as terminal:
        read_until(terminal, "ready> ")
        for typed, shown in (
            (b"pixd promote mod\t", "pixd promote model@1 "),
            (b"pixd run --log-format=te\t", "--log-format=text "),
            (b"pixd trace my\t", r"pixd trace my\ photo.png "),
        ):
            os.write(terminal, typed)
            read_until(terminal, shown)
            os.write(terminal, b"\x15")
