"""How our own tables came to be what they are, version by version. Forward only."""
