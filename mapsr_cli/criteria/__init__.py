"""Constraint × criterion: how a network is trained."""
