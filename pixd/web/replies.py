"""What the API answers with: JSON that nobody caches, and errors in the control socket's shape."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from pixd.system.errors import (
    CannotTellError,
    ImageRejectedError,
    PixdError,
    ServiceNotRunningError,
    StoreError,
    TimedOutError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAD_REQUEST = 400
TIMED_OUT = 408
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
NOT_ALLOWED = 405
CONFLICT = 409
GONE = 410
LENGTH_REQUIRED = 411
TOO_LARGE = 413
WRONG_TYPE = 415
RANGE_REFUSED = 416
UNPROCESSABLE = 422
LOCKED = 423
TOO_MANY = 429
FAILED = 500
UNAVAILABLE = 503
FULL = 507
NO_STORE = {"cache-control": "no-store"}


class RefusalError(PixdError):
    """A request that is refused with an HTTP status of its own."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make it. `headers` go with the answer, such as Retry-After."""
        super().__init__(message, advice=advice)
        self.status = status
        self.headers = dict(headers or {})


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Turn the errors of a confined child's answer into refusals."""
    try:
        yield
    except ImageRejectedError as error:
        raise RefusalError(UNPROCESSABLE, error.message, advice="save it as PNG or JPEG") from error
    except PixdError as error:
        raise RefusalError(
            UNAVAILABLE,
            error.message,
            headers={"retry-after": "1"},
            advice="try again; the log of the page says more",
        ) from error


def reply(told: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON. Half a surrogate pair, which a file's name may hold, is escaped."""
    body = json.dumps(told, separators=(",", ":"), default=str).encode("ascii")
    return Response(body, status, {**NO_STORE, **(headers or {})}, media_type="application/json")


def told_error(error: PixdError) -> dict[str, Any]:
    """Return an error as the control socket tells it."""
    told = {"message": error.message, "advice": error.advice, "exit_code": error.exit_code}
    return {"error": told}


def refuse(error: PixdError) -> Response:
    """Return the answer for an error."""
    headers = error.headers if isinstance(error, RefusalError) else {}
    return reply(told_error(error), status_of(error), headers)


def status_of(error: PixdError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RefusalError):
        return error.status
    for kind, status in (
        (UsageError, NOT_FOUND),
        (ServiceNotRunningError, UNAVAILABLE),
        (CannotTellError, UNAVAILABLE),
        (TimedOutError, UNAVAILABLE),
        (StoreError, UNAVAILABLE),
    ):
        if isinstance(error, kind):
            return status
    return CONFLICT
