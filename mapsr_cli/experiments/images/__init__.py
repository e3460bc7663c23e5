"""Sections 5.2 to 5.5: faces, grass and natural images at 4×."""
