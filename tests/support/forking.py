"""Starts children that import TensorFlow as copies of a process that has imported it already.

`make test` starts some hundred trainers and translators, and half of its time would be their
import of TensorFlow. `install` lets `subprocess` start two kinds of commands by the fork server
(`tests.support.fork_server` says what a copy is and what differs from a new interpreter):

- ``python -m pixd.pix2pix.X ...``: a copy of the server runs that module;
- ``python -m pixd ... run`` and other commands that start such children: a new interpreter, as
  always, with a fork server of its own. In it, `tests/support/in_commands/sitecustomize.py` calls
  `install` again.

Everything else, and whatever asks for something that a copy cannot have, is started as always.
So is everything where `make_fresh` is in force, and where the server is not possible.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import platform
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

SOCKET_VARIABLE: Final = "PIXD_TESTS_FORK_SERVER"
"""Tells a command which of its descriptors is the socket of its own server."""
SYS_CLONE: Final = {"x86_64": 56, "aarch64": 220}  # the number of the call clone(2)
LIMITS: Final = sorted(
    {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
)

ROOT: Final = Path(__file__).parents[2]
IN_COMMANDS: Final = str(Path(__file__).parent / "in_commands")
PROGRAMS: Final = ("pixd.pix2pix.",)
DECODERS: Final = ("pixd.images.decoder_child", "pixd.training.dataset.inspector_child")
"""Children of a service or a translator. What tests themselves start of them stays as it is in use,
because their limits count what is mapped."""
_ROOM: Final = 2000 * "-"
"""An argument that the server has only so that its copies have room for their command line."""
STARTERS: Final = {"run", "translate", "report", "export", "doctor", "demo", "--report"}
"""The commands that start trainers, translators and their like."""
_READ_AT_IMPORT: Final = (
    "TF_",
    "CUDA",
    "XLA_",
    "KERAS_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "LD_",
    "MALLOC_",
)
"""Beginnings of the names of variables that packages read while they are imported, or may."""
_NOT_MEANT: Final = ("TF_CLI_", "TF_VAR_")  # Terraform's
_READ_LATER: Final = {
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "KERAS_BACKEND",  # pixd's children all have it, or set it before they import Keras
}
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_PARAMETERS: Final = (
    *("args", "executable", "preexec_fn", "close_fds", "pass_fds", "cwd", "env", "startupinfo"),
    *("creationflags", "shell", *_PIPES, "restore_signals", "gid", "gids", "uid", "umask"),
    *("start_new_session", "process_group"),
)
_real = subprocess.Popen


def is_possible() -> bool:
    """Tell whether copies can be made here: the server must have one thread, OpenBLAS's too."""
    is_known = sys.platform == "linux" and platform.machine() in SYS_CLONE
    return is_known and os.environ.get("OMP_NUM_THREADS") == "1"


class ForkServer:
    """This process's end of the socket to a server that is its child."""

    def __init__(
        self, connection: socket.socket, variables: Mapping[str, str], pid: int = 0
    ) -> None:
        """Ask a server that was started with the environment `variables`."""
        self._connection, self._fixed = connection, fixed(variables)
        self.pid = pid
        self._owner = os.getpid()

    @classmethod
    def started(cls) -> ForkServer:
        """Start a server; it imports TensorFlow while this process goes on."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with its:
            server = _real(
                [sys.executable, "-m", "tests.support.fork_server", str(its.fileno()), _ROOM],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[its.fileno()],
            )

        def end() -> None:
            ours.close()
            server.wait()

        atexit.register(end)
        return cls(ours, environment, server.pid)

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a new interpreter would import the same under this environment."""
        paths = set(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))
        is_ours = self._owner == os.getpid() and paths <= {str(ROOT), IN_COMMANDS}
        return is_ours and fixed(environment) == self._fixed

    def start(self, request: dict[str, Any], fds: list[int]) -> int:
        """Have a copy made; return its process id.

        Raises:
            OSError: there is no copy.
        """
        answer, its = os.pipe()
        with os.fdopen(answer, "rb") as stream:
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode()], [its, *fds])
            finally:
                os.close(its)
            told = stream.read()  # to the end: a command has then been executed
        if not told:
            raise OSError(f"the fork server made no child; asked for {request}")
        return int(told)


def fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return those variables that decide what is imported, and how."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_IMPORT)
        and not name.startswith(_NOT_MEANT)
        and name not in _READ_LATER
    }


class ForkingPopen(subprocess.Popen[Any]):
    """A `subprocess.Popen` that asks a fork server where the command is one of pixd's."""

    get_server: Callable[[], ForkServer | None] = staticmethod(lambda: None)
    programs: tuple[str, ...] = ()

    def _execute_child(self, *positional: Any, **named: Any) -> None:
        # Private to `subprocess`; where another version of Python has other parameters, all is real.
        is_known = not named and len(positional) == len(_PARAMETERS)
        if not is_known or not self._is_forked(dict(zip(_PARAMETERS, positional, strict=True))):
            super()._execute_child(*positional, **named)  # type: ignore[misc]

    def _is_forked(self, asked: Mapping[str, Any]) -> bool:
        command = [os.fspath(word) for word in asked["args"]] if is_list(asked["args"]) else []
        kind = kind_of(command, type(self).programs)
        plain = not (asked["pass_fds"] or asked["preexec_fn"] or asked["executable"])
        owner = (asked["gid"], asked["gids"], asked["uid"])
        if not (kind and plain and asked["close_fds"]) or any(one is not None for one in owner):
            return False
        server = type(self).get_server()
        env = dict(os.environ if asked["env"] is None else asked["env"])
        if server is None or not server.suits(env):
            return False
        group = asked["process_group"]
        request: dict[str, Any] = {
            "module": command[2] if kind == "module" else None,
            "arguments": [path_of(command[2]), *command[3:]] if kind == "module" else None,
            "command": command,
            "environment": env if kind == "module" else with_site(env),
            "folder": os.fspath(asked["cwd"] or Path.cwd()),
            "has_session": bool(asked["start_new_session"]),
            "group": None if group is None or group < 0 else group,
            "umask": asked["umask"] if asked["umask"] >= 0 else own_umask(),
            "limits": [resource.getrlimit(limit) for limit in LIMITS],
        }
        pipes = (asked["p2cread"], asked["c2pwrite"], asked["errwrite"])
        fds = [own if fd == -1 else fd for own, fd in zip((0, 1, 2), pipes, strict=True)]
        self.pid = server.start(request, fds)
        self._child_created = True
        self._close_pipe_fds(*(asked[name] for name in _PIPES))  # type: ignore[attr-defined]
        return True


def install_own(connection: socket.socket) -> None:
    """In a command, or a copy that starts children: use its own server."""
    connection.set_inheritable(False)
    server = ForkServer(connection, os.environ)
    install(lambda: server, (*PROGRAMS, *DECODERS))


def is_list(args: object) -> bool:
    return isinstance(args, list | tuple)


def own_umask() -> int:
    """Return the mask of this process; os.umask() would change it for other threads too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def kind_of(command: list[str], programs: tuple[str, ...]) -> str:
    """Return "module", "command", or "" for what is started as always."""
    if len(command) < 3 or command[0] != sys.executable:
        return ""
    if command[1] == "-m" and command[2].startswith(programs):
        return "module"
    is_pixd = command[1:3] == ["-m", "pixd"] and not STARTERS.isdisjoint(command[3:])
    return "command" if is_pixd or (command[1] == "-c" and "pixd.cli.main" in command[2]) else ""


def path_of(module: str) -> str:
    return str(ROOT.joinpath(*module.split(".")).with_suffix(".py"))


def with_site(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a command calls `install` when it starts."""
    paths = [IN_COMMANDS, *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)}


# -- whether -----------------------------------------------------------------------------------


def install(
    get_server: Callable[[], ForkServer | None], programs: tuple[str, ...] = PROGRAMS
) -> None:
    """Start `programs` and commands by the server that `get_server` returns; asked at each start."""
    ForkingPopen.get_server = staticmethod(get_server)
    ForkingPopen.programs = programs
    subprocess.Popen = ForkingPopen  # type: ignore[misc]


@contextlib.contextmanager
def all_fresh() -> Iterator[None]:
    """Start everything as a new interpreter."""
    was = ForkingPopen.get_server
    ForkingPopen.get_server = staticmethod(lambda: None)
    try:
        yield
    finally:
        ForkingPopen.get_server = was
