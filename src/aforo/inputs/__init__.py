"""The two JSON files that the operators write: the schedule and the list of allowed cameras."""
