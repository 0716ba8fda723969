"""Alembic's entry: runs the migrations on the connection handed to it, inside the transaction under way.

Without a connection it writes them as T-SQL, in one transaction and one batch.
"""

from alembic import context

given = context.config.attributes
if given["connection"] is None:
    context.configure(
        dialect_name="mssql",
        version_table=given["version_table"],
        literal_binds=True,
        mssql_batch_separator="",
    )
else:
    if given["connection"].dialect.name == "mssql":
        # Alembic counts the rows that its change of the version updates; a session with NOCOUNT on gives no number.
        given["connection"].exec_driver_sql("SET NOCOUNT OFF")
    context.configure(connection=given["connection"], version_table=given["version_table"])
with context.begin_transaction():
    context.run_migrations()
