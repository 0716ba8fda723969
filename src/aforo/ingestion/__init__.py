"""Reads what is due, classifies it and passes it to storage; runs one event from start to close."""
