"""The state of the event under way, for the page, the alerts, the metrics and the terminal."""
