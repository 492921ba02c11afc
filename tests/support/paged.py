"""The page's application on a folder, asked as a browser or a script asks it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2 as httpx
from starlette.testclient import TestClient

from pixd.config.load import load
from pixd.web import access, app, listening
from pixd.web.world import World
from tests.support.json_schema import Schema

HOST = "127.0.0.1:8460"
ORIGIN = f"http://{HOST}"
_UNREAD = {"format", "default", "minItems", "maxItems", "prefixItems"}


class Paged:
    """The application in this process."""

    def __init__(self, client: TestClient, world: World) -> None:
        self.client, self.world = client, world
        self.secrets = world.access.secrets
        self.bearer = {"authorization": f"Bearer {self.secrets.full}"}
        self.reader = {"authorization": f"Bearer {self.secrets.read}"}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={**self.bearer, **headers})

    def told(self, path: str) -> Any:
        """Return the JSON of an answer that must be well."""
        found = self.get(path)
        assert found.status_code == 200, found.text
        return found.json()

    def put(self, path: str, data: bytes, **headers: str) -> httpx.Response:
        return self.client.put(path, content=data, headers={**self.bearer, **headers})

    def post(self, path: str, told: Any, **headers: str) -> httpx.Response:
        return self.client.post(path, json=told, headers={**self.bearer, **headers})

    def draw(self, path: str, png: bytes) -> httpx.Response:
        headers = {**self.bearer, "content-type": "image/png"}
        return self.client.post(path, content=png, headers=headers)


@contextlib.contextmanager
def paged(folder: Path) -> Iterator[Paged]:
    """Give the application of the configuration in `folder`, with secrets beside it."""
    settings = load(folder / "config.yaml")
    world = World(settings, access.Access(folder / "page-state"), folder / "page-cache")
    hosts = {HOST, "localhost:8460", "[::1]:8460"}
    application = app.make_app(world, lambda: hosts, [HOST])
    with TestClient(application, base_url=ORIGIN) as client:
        yield Paged(client, world)


class Served:
    """`pixd web` as a process, on a port of its own."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.folder = folder
        self.state = folder / "page-state"
        self.log = folder / "page.log"
        env = {
            **os.environ,
            "XDG_STATE_HOME": str(self.state),
            "XDG_CACHE_HOME": str(folder / "page-cache"),
            **environment,
        }
        command = [sys.executable, "-m", "pixd", "web", *(words or ("--port", "0"))]
        with self.log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stderr=stderr
            )
        own = access.state_folder(folder / "config.yaml", {"XDG_STATE_HOME": str(self.state)})
        ends_at = time.monotonic() + 60
        while (told := listening.read_told(own)) is None or told["pid"] != self.process.pid:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < ends_at, self.log.read_text()
            time.sleep(0.02)
        self.url = str(told["url"]).rstrip("/")
        self.host = self.url.removeprefix("http://")
        self.secrets = access.Access(own).secrets
        self.bearer = {"authorization": f"Bearer {self.secrets.full}"}

    def raw(self, data: bytes, *, ends: bool = False, within_s: float = 20.0) -> bytes:
        """Send bytes as they are and return what comes back until the end.

        Args:
            data: the bytes.
            ends: say that no more will come; a server may then take the client for gone.
            within_s: how long to wait for more.
        """
        name, port = self.host.split(":")
        found = bytearray()
        with socket.create_connection((name, int(port)), timeout=within_s) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while part := connection.recv(65536):
                    found += part
        return bytes(found)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@contextlib.contextmanager
def served(folder: Path, *words: str, **environment: str) -> Iterator[Served]:
    """Run `pixd web` on the configuration in `folder`."""
    page = Served(folder, *words, **environment)
    try:
        yield page
    finally:
        if page.process.poll() is None:
            page.stop()


class Contract:
    """openapi.json, as far as answers are checked against it."""

    def __init__(self) -> None:
        self.document = json.loads((resources.files("pixd.web") / "openapi.json").read_text())
        self.defs = {
            name: _readable(schema)
            for name, schema in self.document["components"]["schemas"].items()
        }

    def faults(self, path: str, told: Any, status: str = "200", method: str = "get") -> list[str]:
        """Return how an answer differs from what is written of it."""
        answer = self.document["paths"][path][method]["responses"][status]
        schema = answer["content"]["application/json"]["schema"]
        return Schema({**_readable(schema), "$defs": self.defs}).faults(told)


def _readable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_readable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _readable(one) for name, one in value.items()}
        if key == "properties"
        else _readable(value)
        for key, value in schema.items()
        if key not in _UNREAD
    }
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = reference.replace("#/components/schemas/", "#/$defs/")
    return found
