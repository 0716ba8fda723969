"""Alembic's entry: runs the migrations on the connection handed to it, inside the transaction under way."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table=context.config.attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
