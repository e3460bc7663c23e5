"""What was done to a file, written down such that it can be done again."""
