"""Whether spandrel can be imported here: it needs a torchvision that loads beside torch."""

import warnings

import pytest

try:
    with warnings.catch_warnings(action="ignore"):
        import spandrel

    missing = "" if spandrel else "spandrel"
except (ImportError, RuntimeError) as error:
    missing = f"spandrel cannot be imported: {error}"

needs_spandrel = pytest.mark.skipif(bool(missing), reason=missing)
