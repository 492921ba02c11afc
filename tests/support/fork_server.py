"""A process that has imported TensorFlow once, and forks a copy of itself for each child.

``python -m tests.support.fork_server FD`` imports TensorFlow, Keras, ONNX and its runtime, numpy
and Pillow, and no module of pixd. It computes nothing, makes no TensorFlow context and starts no
thread. Then it waits for requests on the socket `FD`. For each it makes a copy of itself that is a
child of the process that asked, not of the server (clone(2), CLONE_PARENT). The copy takes the
arguments, environment, folder, descriptors, limits and session that a new process would have, and
runs the module as ``python -m`` does. So all code of pixd is imported and run in each child as
always, and exit codes, signals, /proc and the end with the parent are those of a real child. Only
the import of other people's packages is not paid again.

A request can also be a command with a server of its own: the copy forks a server for itself, and
then becomes the command. So a real `pixd run` gets children that it is the parent of. A translator
gets a server of its own too, for its decoders.

What differs from a new interpreter: `hash()` of texts has the same secret in all copies, addresses
are laid out alike, and /proc/PID/environ is the server's. What follows from the environment while
TensorFlow is imported cannot change any more; `tests.support.forking` starts a new interpreter
where that matters.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import platform
import resource
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from pixd.system import libc
from tests.support import forking
from tests.support.forking import LIMITS, SOCKET_VARIABLE, SYS_CLONE

LARGEST_REQUEST: Final = 1 << 17  # bytes: an environment and some paths
MOST_FDS: Final = 64
STARTERS_OF_CHILDREN: Final = ("pixd.pix2pix.translator",)
_PACKAGES: Final = (
    "numpy",
    "PIL.Image",
    "PIL.PngImagePlugin",
    "PIL.ImageDraw",
    "tensorflow",
    "keras",
    "h5py",
    "onnx",
    "onnxruntime",
)

# linux/sched.h
_CLONE_PARENT: Final = 0x00008000
_CLONE_CHILD_CLEARTID: Final = 0x00200000
_CLONE_CHILD_SETTID: Final = 0x01000000
_PR_GET_TID_ADDRESS: Final = 40  # linux/prctl.h

Request = dict[str, Any]


# -- the server ------------------------------------------------------------------------------


def main() -> int:
    """Serve until the other end of the socket is closed, or be a copy and do its work."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    # It ends with its socket alone. A signal at the parent's death would come at the end of the
    # *thread* that started it, and tests start children in threads that end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then hang up
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as pixd does; else the import starts a thread
    gc.disable()  # as `pixd.pix2pix.importing` does
    for package in _PACKAGES:
        importlib.import_module(package)
    # Lazily loaded parts that every child needs.
    sys.modules["tensorflow"].keras.layers.Layer  # noqa: B018
    gc.collect()
    gc.freeze()  # the copies then need not touch, and so copy, what was imported
    gc.enable()
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        # Locks that another thread holds would stay locked in a copy for ever.
        sys.exit("fork server: some package has started a thread")
    while copy := _serve(connection):
        connection.close()
        request, fds = copy
        own = None
        if request["module"] in {None, *STARTERS_OF_CHILDREN}:
            own, is_server = _own_server(fds)
            if is_server:
                connection = own
                continue
        if request["module"] is None:
            _become_command(request, fds, own)
        return _become_module(request, fds, own)
    return 0


def _serve(connection: socket.socket) -> tuple[Request, list[int]] | None:
    """Answer requests. Returns in each copy, with what it is to do, and None at the end of file."""
    while True:
        message, fds, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, MOST_FDS)
        if not message:
            return None
        # recv_fds passes its flags to nobody (python/cpython#107898; 3.9 to 3.13), so that
        # MSG_CMSG_CLOEXEC does not help: a command would keep the pipe of the answer, whose end says
        # that it was executed.
        for fd in fds:
            os.set_inheritable(fd, False)
        if _clone_as_sibling() == 0:
            return json.loads(message), fds
        for fd in fds:
            os.close(fd)


def _clone_as_sibling() -> int:
    """Fork a child of this process's parent; return as fork does.

    os.fork() cannot do that, so this is the system call of glibc's fork, with one flag more, and
    what Python does around it. The thread's id is kept by glibc at the address that the kernel
    knows (prctl PR_GET_TID_ADDRESS); the kernel writes the new one there.

    Source: clone(2); sysdeps/unix/sysv/linux/arch-fork.h of glibc; os_fork_impl of CPython.
    """
    python = ctypes.pythonapi
    own = ctypes.PyDLL(None, use_errno=True)  # holds the GIL, as os.fork() does
    tid_at = ctypes.c_void_p()
    if own.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(tid_at), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_GET_TID_ADDRESS")
    flags = signal.SIGCHLD | _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    tid, zero = ctypes.c_long(tid_at.value or 0), ctypes.c_long(0)
    # flags, stack, parent's tid, then the child's tid and TLS in an order that the machine says
    last = (tid, zero) if platform.machine() == "x86_64" else (zero, tid)
    number = ctypes.c_long(SYS_CLONE[platform.machine()])
    own.syscall.restype = ctypes.c_long
    python.PyOS_BeforeFork()
    pid = int(own.syscall(number, ctypes.c_long(flags), zero, zero, *last))
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return pid


# -- a copy ----------------------------------------------------------------------------------


def _become_module(request: Request, fds: list[int], server: socket.socket | None) -> int:
    """Run a module as ``python -m`` would, with the process's own end afterwards."""
    _settle_in(request, fds, closes=True)
    os.environ.clear()
    os.environ.update(request["environment"])
    if not any(os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        os.environ["LC_CTYPE"] = "C.UTF-8"  # as Python itself does, PEP 538
    if server:
        forking.install_own(server)
    _show(request["command"])
    sys.argv = list(request["arguments"])
    is_unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for name, fd, mode in (("stdin", 0, "rb"), ("stdout", 1, "wb"), ("stderr", 2, "wb")):
        was = getattr(sys, name)
        is_raw = is_unbuffered and fd > 0
        raw = os.fdopen(fd, mode, buffering=0 if is_raw else -1, closefd=False)
        stream = io.TextIOWrapper(
            raw, was.encoding, was.errors, line_buffering=name == "stderr", write_through=is_raw
        )
        setattr(sys, name, stream)
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    return 0


def _own_server(fds: list[int]) -> tuple[socket.socket, bool]:
    """Fork a server for this copy. Return one end of the socket, and whether this is the server."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    copy = os.getpid()
    if os.fork() != 0:
        ours.close()
        return its, False
    libc.die_with_parent()
    its.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    for fd in (nothing, *fds):
        os.close(fd)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with the copy
    if os.getppid() != copy:
        os._exit(0)
    return ours, True


def _become_command(request: Request, fds: list[int], server: socket.socket | None) -> NoReturn:
    """Become a command that has a server of its own."""
    _settle_in(request, fds, closes=False)  # so that the other side learns that it was executed
    assert server is not None  # every command has one
    server.set_inheritable(True)
    environment = {**request["environment"], SOCKET_VARIABLE: str(server.fileno())}
    os.execve(request["command"][0], request["command"], environment)  # noqa: S606 - as asked


def _show(command: list[str]) -> None:
    """Show a command in /proc/PID/cmdline, in the place of the server's own, which is long.

    Source: proc_pid_stat(5), fields 48 and 49, arg_start and arg_end.
    """
    about = Path("/proc/self/stat").read_text("ascii", errors="replace")
    fields = about[about.rindex(")") + 2 :].split()
    start, end = int(fields[48 - 3]), int(fields[49 - 3])
    text = b"\0".join(os.fsencode(word) for word in command) + b"\0"
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, min(len(text), end - start - 1))


def _settle_in(request: Request, fds: list[int], *, closes: bool) -> None:
    """Take everything that a new process is given. `fds`: answer, stdin, stdout, stderr, others.

    Writes the process id into the answer when all is done.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if request["has_session"]:
        os.setsid()
    if request["group"] is not None:
        os.setpgid(0, request["group"])
    for limit, (soft, hard) in zip(LIMITS, request["limits"], strict=True):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (soft, hard))
    os.umask(request["umask"])
    os.chdir(request["folder"])
    answer, *given = fds
    for fd, source in zip((0, 1, 2), given, strict=True):
        os.dup2(source, fd)
        os.close(source)
    os.write(answer, str(os.getpid()).encode())
    if closes:
        os.close(answer)


if __name__ == "__main__":
    sys.exit(main())
