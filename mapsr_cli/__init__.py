"""Super-resolution of images that never contradicts the original.

`Upscaler` takes pictures and gives them back larger: PIL images, numpy arrays, tensors of whole levels. `load` gives a
model as an `nn.Module` for floats in 0 … 1. `Settings` says what an Upscaler promises, `SizeRequest` asks for a size,
and `MapsrError` is what is raised for whatever a caller can cause. A model is named as on the command line: bundled, a
`.safetensors` file, a folder that holds one, or `org/repo[@revision]` on the Hugging Face Hub.
"""

from typing import TYPE_CHECKING, Any

from mapsr_cli.errors import MapsrError

if TYPE_CHECKING:
    from mapsr_cli.inference import Settings, SizeRequest, Upscaler, load

__version__ = "0.1.0"
__all__ = ["MapsrError", "Settings", "SizeRequest", "Upscaler", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import torch only for whoever asks for what needs it: the command line starts without."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from mapsr_cli import inference

    return getattr(inference, name)


def __dir__() -> list[str]:
    """List what is public."""
    return __all__
