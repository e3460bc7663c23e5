"""mapsr: image super-resolution that never contradicts the original.

`load(name)` gives an `nn.Module`, `Upscaler(name)` something that takes and returns PIL images or arrays; `name` is a
bundled model, a `.safetensors` file, a folder that holds one, or `org/repo[@revision]` on the Hugging Face Hub.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapsr_cli.inference import Upscaler, load

__version__ = "0.1.0"
__all__ = ["Upscaler", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import torch only for whoever asks for what needs it: the command line starts without."""
    if name not in ("Upscaler", "load"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from mapsr_cli import inference

    return getattr(inference, name)
