"""What a start tells systemd while it migrates the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from pixd.store import connection, schema, writer
from pixd.system import systemd
from tests.support.notify_socket import NotifySocket, listening

ASKS = f"EXTEND_TIMEOUT_USEC={systemd.EXTEND_S * 1_000_000}"


@pytest.fixture
def notify_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[NotifySocket]:
    with listening() as listener:
        monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
        yield listener


def test_a_check_and_a_migration_of_the_store_ask_for_more_time(
    tmp_path: Path, notify_socket: NotifySocket
) -> None:
    old = Database(sqlite3.connect(tmp_path / connection.DATABASE, isolation_level=None))
    schema.migrations.apply(old, stop_before="m002_recall_and_trash")
    old.close()
    writer.open_writer(tmp_path).close()
    systemd.notify("X_MIGRATED=1")
    writer.open_writer(tmp_path).close()
    heard = notify_socket.close()
    before, after = heard[: heard.index("X_MIGRATED=1")], heard[heard.index("X_MIGRATED=1") + 1 :]
    # Each once, or more often if this machine is slow.
    checks, migrates = [ASKS, "STATUS=checking the store"], [ASKS, "STATUS=migrating the store"]
    assert before[:2] == after[:2] == checks
    assert before[-2:] == migrates
    assert migrates[1] not in after


def test_one_long_statement_asks_again_and_again(
    monkeypatch: pytest.MonkeyPatch, notify_socket: NotifySocket
) -> None:
    monkeypatch.setattr(writer, "EXTEND_EVERY_S", 0.05)
    database = sqlite3.connect(":memory:")
    long = (  # half a second
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
        " SELECT sum(i) FROM n"
    )
    with writer._extending_start(database, "counting"):
        (total,) = database.execute(long).fetchone()
    assert total == 2_000_000 * 2_000_001 // 2  # asking did not end it
    systemd.notify("X_OVER=1")
    database.execute(long).fetchone()
    heard = notify_socket.close()
    assert heard.count(ASKS) > 2
    assert heard[-1] == "X_OVER=1"  # no more once the migration is over


def test_a_socket_that_is_gone_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.notify("READY=1")
