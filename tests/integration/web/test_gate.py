"""Nothing passes the gate but the page itself, a person's link, and who has the token."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from pixd.web.gate import POLICY
from tests.support.paged import HOST, ORIGIN, Paged

STATUS = "/api/status"


def test_the_page_itself_needs_no_token_and_holds_no_data(page: Paged) -> None:
    found = page.client.get("/")
    assert found.status_code == 200
    assert "tiny" not in found.text  # the name of the pipeline
    assert page.client.get("/healthz").status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        STATUS,
        "/api/settings",
        "/api/events",
        "/api/tiny/outputs",
        "/openapi.json",
        "/metrics",
        "/docs",
        "/api/nothing",
    ],
)
def test_all_else_needs_the_token(page: Paged, path: str) -> None:
    found = page.client.get(path)
    assert found.status_code == 401
    assert found.headers["www-authenticate"].startswith("Bearer")
    assert set(found.json()["error"]) == {"message", "advice", "exit_code"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": ""},
        {"cookie": "token=TOKEN"},
        {"x-forwarded-for": "127.0.0.1"},
    ],
)
def test_a_wrong_token_is_none(page: Paged, headers: dict[str, str]) -> None:
    told = {k: v.replace("TOKEN", page.secrets.full) for k, v in headers.items()}
    assert page.client.get(STATUS, headers=told).status_code == 401


def test_a_token_in_the_address_is_none(page: Paged) -> None:
    assert page.client.get(f"{STATUS}?token={page.secrets.full}").status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8460",
        "127.0.0.1",  # without the port it is another page
        "127.0.0.1:8461",
        "127.0.0.2:8460",
        "127.0.0.1.evil.example:8460",
        "localhost.evil.example:8460",
        "localhost:8460@evil.example",
        "0x7f.1:8460",
        "2130706433:8460",
        "[::ffff:127.0.0.1]:8460",
        "0.0.0.0:8460",
        "127.0.0.1:8460.",
        "",
    ],
)
def test_a_name_that_is_not_its_own_gets_nothing(page: Paged, host: str) -> None:
    """A rebinding name leads here, but a browser sends it as the Host."""
    for path in ("/", "/healthz", STATUS):
        assert page.get(path, host=host).status_code == 403, path


@pytest.mark.parametrize("host", [HOST, "localhost:8460", "LOCALHOST:8460", "[::1]:8460"])
def test_its_own_names_are_taken_in_any_case(page: Paged, host: str) -> None:
    assert page.get(STATUS, host=host).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://127.0.0.1:8461",
        "http://127.0.0.1",
        "https://127.0.0.1:8460",
        "http://localhost:8460",  # its own name, but not that of this request
        "http://evil.example",
        "http://127.0.0.1:8460.evil.example",
        "file://",
        "",
    ],
)
def test_another_origin_gets_nothing_even_with_the_token(page: Paged, origin: str) -> None:
    assert page.get(STATUS, origin=origin).status_code == 403
    assert page.put("/api/tiny/input/x.png", b"x", origin=origin).status_code == 403


def test_its_own_origin_is_taken(page: Paged) -> None:
    assert page.get(STATUS, origin=ORIGIN).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin"])
def test_another_site_gets_nothing(page: Paged, site: str) -> None:
    """Another port of this machine is `same-site`."""
    assert page.get(STATUS, **{"sec-fetch-site": site}).status_code == 403


def test_a_link_on_another_page_opens_the_page_and_nothing_else(page: Paged) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert page.get("/", **link, **{"sec-fetch-dest": "document"}).status_code == 200
    assert page.get("/", **link, **{"sec-fetch-dest": "iframe"}).status_code == 403
    assert page.get(STATUS, **link, **{"sec-fetch-dest": "document"}).status_code == 403
    posted = page.client.post("/", headers={**link, "sec-fetch-dest": "document"})
    assert posted.status_code == 403


def test_no_answer_allows_another_origin(page: Paged) -> None:
    preflight = page.client.options(
        STATUS, headers={"origin": "http://evil.example", "access-control-request-method": "GET"}
    )
    assert preflight.status_code == 403
    for found in (preflight, page.get(STATUS), page.client.get("/")):
        assert not [name for name in found.headers if name.startswith("access-control")]


def test_every_answer_carries_the_policy(page: Paged) -> None:
    for path in ("/", "/healthz", STATUS, "/api/nothing", "/api/tiny/models/99"):
        for headers in ({}, page.bearer):
            found = page.client.get(path, headers=headers)
            assert found.headers["content-security-policy"] == POLICY
            assert found.headers["x-content-type-options"] == "nosniff"
            assert found.headers["cross-origin-resource-policy"] == "same-origin"
            assert found.headers["referrer-policy"] == "no-referrer"
            assert "server" not in found.headers
            assert "set-cookie" not in found.headers


def test_the_policy_runs_nothing_from_elsewhere_and_nothing_inline() -> None:
    rules = dict(one.split(" ", 1) for one in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in POLICY


# -- the token that may only read ------------------------------------------------------------


def test_a_guest_reads_and_draws_and_changes_nothing(page: Paged) -> None:
    client, guest = page.client, page.reader
    assert client.get(STATUS, headers=guest).status_code == 200
    assert client.get("/api/settings", headers=guest).json()["access"] == {
        **client.get("/api/settings", headers=page.bearer).json()["access"],
        "token": "read-only",
        "uploads": False,
    }
    for method, path in (
        ("PUT", "/api/tiny/input/x.png"),
        ("PUT", "/api/tiny/training/x.png"),
        ("PUT", "/api/scratch"),
        ("POST", "/api/tiny/pairs"),
        ("POST", "/api/operations/pause"),
        ("POST", "/api/operations/promote"),
        ("DELETE", "/api/tiny/input/x.png"),
        ("POST", "/api/tiny/input/draft"),
    ):
        found = client.request(method, path, headers=guest, json={"pipeline": "tiny"})
        assert found.status_code == 403, (method, path)
    drawn = client.post(
        "/api/tiny/draft", content=b"no picture", headers={**guest, "content-type": "image/png"}
    )
    assert drawn.status_code == 422  # it passed the gate


def test_new_tokens_end_what_the_old_ones_could(page: Paged) -> None:
    from pixd.web import access

    row = page.told("/api/tiny/outputs")["rows"][0]
    picture = row["pictures"]["thumb"]
    assert page.client.get(picture).status_code == 200
    before = page.bearer
    access.write_new(page.world.access.folder)
    try:
        assert page.client.get(STATUS, headers=before).status_code == 401
        assert page.client.get(picture).status_code == 403
    finally:
        page.secrets = page.world.access.secrets
        page.bearer = {"authorization": f"Bearer {page.secrets.full}"}
        page.reader = {"authorization": f"Bearer {page.secrets.read}"}


def test_tokens_that_others_may_read_are_refused(page: Paged) -> None:
    from pixd.system.errors import PixdError
    from pixd.web import access

    folder = page.world.access.folder
    path = folder / access.TOKENS
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    try:
        with pytest.raises(PixdError, match="others may read"):
            access.Access(folder)
    finally:
        path.chmod(0o600)


def test_who_has_no_token_learns_no_name(page: Paged) -> None:
    found = page.client.get("/picture/pair/nothing/1/0/input")
    assert found.status_code == 403
    assert "tiny" not in found.text  # the name of the pipeline


def test_tokens_that_cannot_be_read_let_nobody_in_and_tell_no_path(page: Paged) -> None:
    path = page.world.access.folder / "tokens.json"
    before = path.read_bytes()
    path.write_bytes(b"{}")
    try:
        found = page.get(STATUS)
    finally:
        path.write_bytes(before)
    assert found.status_code == 503
    assert found.headers["content-security-policy"] == POLICY
    assert str(path.parent) not in found.text
    assert page.get(STATUS).status_code == 200


def test_the_policy_is_on_the_answer_for_a_surprise_too(
    page: Paged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_settings: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("pixd.answers.status.snapshot", fail)
    client = TestClient(page.client.app, raise_server_exceptions=False, base_url=ORIGIN)
    found = client.get(STATUS, headers=page.bearer)
    assert found.status_code == 500
    assert "foresaw this" not in found.text
    assert found.headers["content-security-policy"] == POLICY


def test_an_answer_says_what_its_token_may_do_but_not_where_a_browser_keeps_it(page: Paged) -> None:
    assert page.get(STATUS).headers["pixd-access"] == "full"
    assert page.client.get(STATUS, headers=page.reader).headers["pixd-access"] == "read-only"
    assert "pixd-access" not in page.client.get(STATUS).headers
    assert "pixd-access" not in page.get("/metrics").headers
