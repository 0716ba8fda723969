"""Alembic's entry: runs the migrations on the connection handed to it, inside the transaction under way.

Without a connection it writes them as a script, for the dialect that is named instead.
"""

from alembic import context

given = context.config.attributes
if given["connection"] is None:
    context.configure(
        dialect_name=given["dialect"],
        version_table=given["version_table"],
        literal_binds=True,
        transactional_ddl=False,
    )
else:
    context.configure(connection=given["connection"], version_table=given["version_table"])
with context.begin_transaction():
    context.run_migrations()
