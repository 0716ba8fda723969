"""Our own tables: definitions, migrations, grants and the check before a migration."""
