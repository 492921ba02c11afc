"""A child that makes calls into one folder for its parent, because they may never return.

Reads from standard input a length and a pickled (function, args, kwargs); writes to standard output
a length and a pickled (True, result) or (False, exception). Ends with its parent. The function is
named by its module, so this child imports what it needs and nothing else.

Pickle runs what it is given. Only the parent, which is of the same version and user, writes here.
"""

from __future__ import annotations

import os
import pickle
import sys

from pixd.system import libc
from pixd.system.children.folder_calls import LENGTH


def main() -> int:
    """Answer calls until the parent closes the pipe."""
    libc.die_with_parent()
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints gets between the answers
    while True:
        head = questions.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return 0
        (length,) = LENGTH.unpack(head)
        function, args, kwargs = pickle.loads(questions.read(length))  # noqa: S301 - see above
        try:
            body = pickle.dumps((True, function(*args, **kwargs)))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            body = _pickled(error)
        answers.write(LENGTH.pack(len(body)) + body)
        answers.flush()


def _pickled(error: Exception) -> bytes:
    error.__cause__ = error.__context__ = None
    try:
        return pickle.dumps((False, error))
    except Exception:  # noqa: BLE001 - whatever it carries
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


if __name__ == "__main__":
    sys.exit(main())
