"""Where a deployment's desired state outlives every process: an SQLite database in its folder.

Owns the file, its schema and its versions. What was saved when a method has returned survives a
kill and a loss of power: the write-ahead log is synchronized with every transaction. A file that
cannot be read as a whole is never taken for an empty one; the error says what to do.

The file is made under another name and renamed, so that an empty one can only be a damaged one.
What the values mean is `declaration.py`'s business, how they are written `store_rows.py`'s.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from orchestrator.errors import OrchestratorError
from orchestrator.store.store_rows import (
    declaration_from_rows,
    declaration_to_row,
    record_from_row,
    record_to_row,
    source_to_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from orchestrator.desired.declaration import Declaration
    from orchestrator.lifecycle.restart import RestartRecord

APPLICATION_ID = 0x706F646E
"""`podn`; tells our files from others (SQLite's `application_id`)."""
BUSY_S = 10.0
"""How long another process may hold the file; each holds it for a moment."""
MIGRATIONS = (
    """
    CREATE TABLE deployment (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        revision INTEGER NOT NULL,
        wanted TEXT NOT NULL,
        rolled_back INTEGER NOT NULL,
        current INTEGER REFERENCES topologies (revision),
        previous INTEGER REFERENCES topologies (revision),
        scales TEXT NOT NULL,
        stopped TEXT NOT NULL,
        rollouts TEXT NOT NULL,
        subnets TEXT NOT NULL,
        portals TEXT NOT NULL,
        network TEXT NOT NULL
    ) STRICT;
    CREATE TABLE topologies (
        revision INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        directory TEXT NOT NULL,
        text TEXT NOT NULL,
        variables TEXT NOT NULL,
        files TEXT NOT NULL
    ) STRICT;
    CREATE TABLE leases (
        network TEXT NOT NULL,
        pod TEXT NOT NULL,
        address TEXT NOT NULL,
        PRIMARY KEY (network, pod)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE restarts (
        pod TEXT PRIMARY KEY,
        restarts INTEGER NOT NULL,
        short_lives INTEGER NOT NULL,
        delay_s REAL NOT NULL,
        generation INTEGER NOT NULL,
        due_at_s REAL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE deployment ADD COLUMN renewals TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE deployment ADD COLUMN nodes TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE deployment ADD COLUMN listening TEXT NOT NULL DEFAULT 'null';
    """,
    """
    ALTER TABLE topologies ADD COLUMN name TEXT NOT NULL DEFAULT '';
    """,
)
"""Each makes the next version of the schema of the one before."""
_ROW = (
    "INSERT OR REPLACE INTO deployment VALUES "
    "(1, :revision, :wanted, :rolled_back, :current, :previous, :scales, :stopped, :rollouts, "
    ":subnets, :portals, :network, :renewals, :nodes, :listening)"
)
_TOPOLOGY = (
    "INSERT OR REPLACE INTO topologies VALUES "
    "(:revision, :path, :directory, :text, :variables, :files, :name)"
)
_RESTARTS = (
    "INSERT OR REPLACE INTO restarts VALUES "
    "(:pod, :restarts, :short_lives, :delay_s, :generation, :due_at_s)"
)


class StoreError(OrchestratorError):
    """The database cannot be used."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        super().__init__(path, reason, remedy)
        self.path, self.reason, self.remedy = path, reason, remedy

    def __str__(self) -> str:
        return f"state database {self.path}: {self.reason}; {self.remedy}"


class Store:
    """One deployment's database; used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._saved: Declaration | None = None

    @classmethod
    def open(cls, path: Path, migrations: Sequence[str] = MIGRATIONS) -> Self:
        """Open a database, and make it when there is none.

        Args:
            path: The file.
            migrations: The schema's versions.

        Raises:
            StoreError: it cannot be used.
        """
        with _translated(path):
            if not path.exists():
                _create(path, migrations)
            connection = _connect(path)
            try:
                _check(path, connection, migrations)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def load(self) -> Declaration:
        """Read what is declared.

        Raises:
            StoreError: it cannot be read.
        """
        with _translated(self.path):
            row = self._connection.execute("SELECT * FROM deployment").fetchone()
            topologies = self._connection.execute("SELECT * FROM topologies").fetchall()
            leases = self._connection.execute("SELECT * FROM leases").fetchall()
            self._saved = declaration_from_rows(row, topologies, leases)
        return self._saved

    def save(self, declaration: Declaration) -> None:
        """Keep what is declared.

        Raises:
            StoreError: it cannot be kept, for example because the disk is full; what was kept
                before still is.
        """
        before = self._saved
        with _translated(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = declaration_to_row(declaration)
            sources = (declaration.source, declaration.previous)
            for revision, source in zip((row["current"], row["previous"]), sources, strict=True):
                known = before is not None and source in (before.source, before.previous)
                if source is not None and (not known or revision == declaration.revision):
                    connection.execute(_TOPOLOGY, source_to_row(revision, source))
            connection.execute(_ROW, row)
            if before is None or before.leases != declaration.leases:
                connection.execute("DELETE FROM leases")
                connection.executemany(
                    "INSERT INTO leases VALUES (?, ?, ?)",
                    [(net, pod, str(ip)) for (net, pod), ip in declaration.leases.items()],
                )
            connection.execute(
                "DELETE FROM topologies WHERE revision NOT IN (:current, :previous)",
                {"current": row["current"] or 0, "previous": row["previous"] or 0},
            )
        self._saved = declaration

    def load_restarts(self) -> dict[str, RestartRecord]:
        """Read what is remembered of restarts, with times since the epoch.

        Raises:
            StoreError: it cannot be read.
        """
        with _translated(self.path):
            rows = self._connection.execute("SELECT * FROM restarts").fetchall()
            return dict(record_from_row(row) for row in rows)

    def save_restarts(self, records: Mapping[str, RestartRecord | None]) -> None:
        """Remember restarts, with times since the epoch; None forgets.

        Raises:
            StoreError: they cannot be kept.
        """
        gone = [(pod,) for pod, record in records.items() if record is None]
        kept = [record_to_row(pod, record) for pod, record in records.items() if record]
        with _translated(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM restarts WHERE pod = ?", gone)
            connection.executemany(_RESTARTS, kept)

    def forget_restarts(self) -> None:
        """Forget all restarts.

        Raises:
            StoreError: the file cannot be written.
        """
        with _translated(self.path), self._connection as connection:
            connection.execute("DELETE FROM restarts")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    return connection


def _create(path: Path, migrations: Sequence[str]) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    connection = _connect(draft)
    try:
        os.chmod(draft, 0o600)
        for version, script in enumerate(migrations, start=1):
            _migrate(connection, script, version)
    finally:
        connection.close()
    os.replace(draft, path)


def _migrate(connection: sqlite3.Connection, script: str, version: int) -> None:
    """Make the next version, wholly or not at all."""
    pragmas = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
    connection.executescript(f"BEGIN IMMEDIATE;{script};{pragmas}COMMIT;")


def _check(path: Path, connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version < 1:
        raise _damaged(path, "it is none of podnet's")
    if version > len(migrations):
        reason = f"a newer podnet wrote it (version {version}, this one knows {len(migrations)})"
        raise StoreError(str(path), reason, "use that podnet, or " + _elsewhere(path))
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path, f"it is damaged ({verdict})")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    for later in range(version, len(migrations)):
        _migrate(connection, migrations[later], later + 1)


def _elsewhere(path: Path) -> str:
    return f'move it away (mv "{path}" "{path}.old") and give "podnet up" the topology again'


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(str(path), reason, _elsewhere(path))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what can go wrong with the file into an error that a person can act on."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path, f"it is damaged ({error})") from error
        remedy = "make room, or set PODNET_STATE to a folder that you can write to"
        raise StoreError(str(path), f"cannot be used: {error}", remedy) from error
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, f"it is damaged ({error})") from error
    except OSError as error:
        remedy = "make room, or set PODNET_STATE to a folder that you can write to"
        reason = f"cannot be used: {error.strerror or error}"
        raise StoreError(str(path), reason, remedy) from error
