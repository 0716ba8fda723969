"""Many sources → one Settings, and one Spanish sentence for whatever cannot be used."""
