"""Full precision inside the projection: neither autocast nor TF32, whatever the caller has switched on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch


class _Switch(NamedTuple):
    """One of torch's global precision settings."""

    read: Callable[[], Any]
    write: Callable[[Any], None]
    exact: Any
    """The value that means float32 and nothing less."""

    @contextmanager
    def set_exact(self) -> Iterator[None]:
        """Set `exact` inside the context; restore the previous value afterwards."""
        before = self.read()
        self.write(self.exact)
        try:
            yield
        finally:
            self.write(before)


def _attribute(owner: Any, name: str, exact: Any) -> _Switch:
    return _Switch(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), exact)


_MATMUL, _CUDNN = torch.backends.cuda.matmul, torch.backends.cudnn
_TF32 = (
    (
        _Switch(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
        _attribute(_MATMUL, "fp32_precision", "ieee"),
    ),
    (
        _attribute(getattr(_CUDNN, "conv", None), "fp32_precision", "ieee"),
        _attribute(_CUDNN, "allow_tf32", False),
    ),
)
"""Of matrix products, and of convolutions, which are in TF32 unless one says otherwise. Both have an older switch and,
since torch 2.9, a newer one; the first of the two that can be read is set. For products that is the older, which sets
the other as well, unless the newer was used: then torch refuses to read it. For convolutions it is the newer, as the
older leaves a global setting in force."""


def _tf32_switched_on() -> Iterator[_Switch]:
    for first, second in _TF32:
        try:
            switch, value = first, first.read()
        except (RuntimeError, AttributeError):
            switch, value = second, second.read()
        if value != switch.exact:
            yield switch


def is_exact(device: torch.device) -> bool:
    """Return whether products on `device` keep their operands' precision under the current settings."""
    if torch.is_autocast_enabled(device.type):
        return False
    return device.type != "cuda" or not any(True for _ in _tf32_switched_on())


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Keep the operands' precision in products on `device` inside the context; restore the settings afterwards."""
    with ExitStack() as stack:
        if torch.is_autocast_enabled(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            for switch in list(_tf32_switched_on()):
                stack.enter_context(switch.set_exact())
        yield
