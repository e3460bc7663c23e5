"""Scripts for maintainers: publish a model, build the manifest. Not part of the wheel."""
