"""The loop and its data."""
