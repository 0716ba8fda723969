"""The stadium's own tables: found as they are, never altered."""
