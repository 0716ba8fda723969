"""Reads what is due, classifies it and hands it to storage; runs one event from start to close."""
