"""What differs between databases: drivers, connections, errors, SQL dialects."""
