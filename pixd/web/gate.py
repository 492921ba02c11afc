"""The gate: every request passes it first, and most that a foreign page can send end here.

Promises, in this order: exactly one Host, and one of the page's own names with its port; an Origin,
where there is one, that is the Host's; a `Sec-Fetch-Site` that says the page itself or a person; a
token for all but the empty page. Every answer carries the policy. No rule reads a URL that somebody
put together from the Host.

Source: Fetch Metadata Request Headers, W3C, section 2.4; RFC 9112, section 3.2 (Host).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from pixd.system.errors import PixdError
from pixd.web import replies
from pixd.web.access import Right
from pixd.web.replies import RefusalError, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pixd.web.access import Access

POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' blob:; "
    "connect-src 'self'; "
    "manifest-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""What every answer carries, unless it says something stricter itself."""
ACCESS = "pixd-access"
"""Header of what the API answers: what the token may do. What a browser keeps does not have it."""
_DATA = "/api/"
_OPEN = ("/", "/healthz")
_OPEN_BELOW = "/static/"
_PICTURES = "/picture/"
_READING = frozenset({"GET", "HEAD"})
_DRAFT = re.compile(r"/api/[^/]+/draft")  # changes nothing, so that a guest may draw
_log = logging.getLogger(__name__)


class Gate:
    """Middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, *, access: Access, hosts: Callable[[], Collection[str]]
    ) -> None:
        """Guard `app`.

        Args:
            app: the application.
            access: the tokens.
            hosts: gives the names of this page, each as a browser sends it, and in front of it
                ``https://`` where only that scheme leads here (a proxy).
        """
        self.inside = app
        self._access = access
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.inside(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                right = scope.get("state", {}).get("right")
                if right and scope["path"].startswith(_DATA):
                    headers[ACCESS] = str(right)
            await send(message)

        try:
            self._check(scope)
        except RefusalError as error:
            await refuse(error)(scope, receive, send_guarded)
            return
        await self.inside(scope, receive, send_guarded)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = self._check_host(headers)
        path = str(scope["path"])
        method = str(scope["method"])
        self._check_source(headers, host, is_page=path == "/" and method in _READING)
        scope["state"] = {**scope.get("state", {}), "right": None}
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return
        right = self._right(headers)
        if right is None and not (path.startswith(_PICTURES) and method in _READING):
            raise RefusalError(
                replies.UNAUTHORIZED,
                "no token, or a wrong one",
                advice="`pixd web --link` prints the address with the token in it",
                headers={"www-authenticate": 'Bearer realm="pixd"'},
            )
        if right is Right.READ and method not in _READING and not _DRAFT.fullmatch(path):
            raise RefusalError(
                replies.FORBIDDEN,
                "this token may only read",
                advice="`pixd web --link` prints the address of the one that may change things",
            )
        scope["state"]["right"] = right

    def _check_host(self, headers: Headers) -> str:
        given = headers.getlist("host")
        if len(given) != 1:
            raise RefusalError(
                replies.BAD_REQUEST,
                f"expected one Host header, got {len(given)}",
                advice="a browser and curl send it by themselves",
            )
        host = given[0].lower()
        for known in self._hosts():
            if host == known.rpartition("://")[2]:
                return known
        raise RefusalError(
            replies.FORBIDDEN,
            "this page is not known under the name that was asked for",
            advice="use the address that `pixd web --link` prints, or add the name to `hosts` of"
            " `web` in config.yaml",
        )

    def _check_source(self, headers: Headers, host: str, *, is_page: bool) -> None:
        scheme, separator, name = host.rpartition("://")
        own = f"{scheme}{separator}{name}" if separator else f"http://{name}"
        for origin in headers.getlist("origin"):
            if origin.lower() != own:
                raise RefusalError(
                    replies.FORBIDDEN,
                    "another page may not ask here",
                    advice="open the page itself: pixd web --link",
                )
        for site in headers.getlist("sec-fetch-site"):
            if site in {"same-origin", "none"}:
                continue
            # A link on another page may open the page, which holds no data before it has a token.
            is_link = headers.get("sec-fetch-mode") == "navigate"
            is_whole = headers.get("sec-fetch-dest") == "document"
            if not (is_page and is_link and is_whole):
                raise RefusalError(
                    replies.FORBIDDEN,
                    "another page may not ask here",
                    advice="open the page itself: pixd web --link",
                )

    def _right(self, headers: Headers) -> Right | None:
        given = headers.getlist("authorization")
        if len(given) != 1:
            return None
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            secrets = self._access.secrets
        except PixdError as error:
            # Its message names files of this machine, and who asks has shown no token yet.
            _log.warning("%s; %s", error.message, error.advice)
            raise RefusalError(
                replies.UNAVAILABLE,
                "the page cannot read its own tokens",
                advice="its log says why",
            ) from error
        return secrets.right_of(token.strip())
