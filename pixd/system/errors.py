"""Every error that pixd raises on purpose, each with its exit code and the next step.

An error's message says what is wrong; its `advice` says what to do about it.
The command line converts any `PixdError` to text and an exit code in one place
(`pixd.cli.main.main`); nothing else calls `sys.exit`.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_RUNNING = 3
EXIT_CANNOT_TELL = 4
EXIT_CONFIG = 78  # EX_CONFIG in sysexits.h; systemd's RestartPreventExitStatus has it
EXIT_TIMED_OUT = 124  # as timeout(1)
EXIT_MEANINGS = {
    EXIT_OK: "done, or healthy",
    EXIT_FAILED: "failed, or degraded",
    EXIT_USAGE: "the command line is wrong",
    EXIT_NOT_RUNNING: "the service is not running",
    EXIT_CANNOT_TELL: "cannot tell: the store cannot be read",
    EXIT_CONFIG: "the configuration is missing or wrong",
    EXIT_TIMED_OUT: "the time that was given is over",
}
"""What --help and the manual page say about each exit code."""


class PixdError(Exception):
    """Something failed, and a person can do something about it."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Make the error.

        Args:
            message: what is wrong, in one line.
            advice: what to do about it, in one line; may be empty.
        """
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(PixdError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = EXIT_USAGE


class ServiceNotRunningError(PixdError):
    """A command needs the service, and no service holds the store."""

    exit_code = EXIT_NOT_RUNNING


class CannotTellError(PixdError):
    """The store cannot be read well enough to answer."""

    exit_code = EXIT_CANNOT_TELL


class ConfigError(PixdError):
    """config.yaml is missing, is no valid YAML, or asks for something impossible."""

    exit_code = EXIT_CONFIG


class TimedOutError(PixdError):
    """The time that the user gave is over."""

    exit_code = EXIT_TIMED_OUT


class StoreError(PixdError):
    """The store is damaged, of another schema, or full."""


class StoreBusyError(StoreError):
    """Another process holds the store's lock."""


class StoreGoneError(StoreError):
    """The store is not where it was. It may come back, and then everything goes on."""


ADVICE_DISK = "free some space or repair the disk; pixd goes on by itself"
"""The advice of a `DiskError` if there is nothing else to do."""


class DiskError(PixdError):
    """A disk refuses what pixd needs: it is full, read-only or failing. Later it may work again."""


class DeviceError(PixdError):
    """The configured device is not there."""


class ImageRejectedError(PixdError):
    """A file is not an image that pixd accepts. The message is the reason shown to the user."""


def in_words(error: Exception) -> str:
    """Return the system's reason for an error, or the kind and words of one that nobody foresaw."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or f"{type(error).__name__}: {error}"


BY_EXIT_CODE: dict[int, type[PixdError]] = {
    EXIT_USAGE: UsageError,
    EXIT_NOT_RUNNING: ServiceNotRunningError,
    EXIT_CANNOT_TELL: CannotTellError,
    EXIT_CONFIG: ConfigError,
    EXIT_TIMED_OUT: TimedOutError,
}
"""The error class of an exit code, for an error that comes from another process."""
