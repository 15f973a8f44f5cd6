"""Runs the versions on the connection that `migrate` gives, in its transaction."""

from alembic import context

from fsm_orch.store.sql.schema import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
