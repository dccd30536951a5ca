"""Alembic runs this file; ``indexer.catalog.database.migrate`` hands it an open connection."""

from alembic import context

from indexer.catalog.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter most columns in place
    transactional_ddl=True,  # SQLite can, once its driver no longer commits by itself
)
context.run_migrations()
