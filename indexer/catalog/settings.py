"""Small JSON values, of one collection or of the whole data folder."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from indexer.catalog.database import Database
from indexer.catalog.tables import SettingRow


@dataclass(eq=False)
class SettingQueries:
    """Get and put settings. ``scope`` is a collection id, or empty for the whole data folder."""

    database: Database

    def get(self, key: str, default: Any = None, *, scope: str = "") -> Any:
        """The value, or ``default`` when it was never put."""
        with self.database.read() as connection:
            row = connection.execute(
                select(SettingRow.value).where(SettingRow.scope == scope, SettingRow.key == key)
            ).first()
        return default if row is None else row[0]

    def set(self, key: str, value: Any, *, scope: str = "") -> None:
        """Store a JSON value, replacing the one before; None removes it."""
        with self.database.write("settings") as connection:
            connection.execute(delete(SettingRow).where(SettingRow.scope == scope, SettingRow.key == key))
            if value is not None:
                connection.execute(insert(SettingRow).values(scope=scope, key=key, value=value))
