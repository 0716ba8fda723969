"""The stadium's own tables: used as they are found, made where missing, never altered."""
