"""What the program costs, measured in one run on one machine: see README.md here."""
