"""What of a machine and its software can change the last bits of a picture."""

import hashlib
import os
import platform
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import PIL
import torch
from annotated_types import Ge, Le
from PIL import features

import mapsr_cli
from mapsr_cli.inference.devices import cpu_features, processor_name

MOST_THREADS = 4096
"""More are taken from no report."""
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Of the environment: those that change which instructions, or how many threads, compute."""
_LIBRARIES = ("libjpeg_turbo", "webp", "avif", "libtiff", "zlib", "zlib_ng")
"""By Pillow's names: they decode and encode."""
_VECTORS = re.compile(r"(sse|ssse|avx|amx|fma|f16c|asimd|sve|neon|bf16|i8mm)\w*")
"""Features of a processor that compute with floating-point numbers."""


@dataclass(frozen=True)
class Machine:
    """What computed."""

    device: str
    """`cpu`, `cuda:0`, `mps`."""
    device_name: str
    precision: str
    """What the network computed in: `fp32`, `bf16` or `fp16`."""
    threads: Annotated[int, Ge(1), Le(MOST_THREADS)]
    """Of torch."""
    processor: str
    features: tuple[str, ...]
    """Of the processor: instructions for floating-point numbers."""
    system: str
    versions: dict[str, str]
    """Of whatever computes, decodes or encodes."""
    code_sha256: str
    """Of mapsr's own source: all its .py files, by name."""
    environment: dict[str, str]
    """Variables that change how something is computed, where they are set."""


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was."""

    what: str
    then: str
    here: str


def this_machine(device: str, precision: str) -> Machine:
    """Describe this machine and process."""
    return Machine(
        device=device,
        device_name=torch.cuda.get_device_name(device) if device.startswith("cuda") else processor_name(),
        precision=precision,
        threads=torch.get_num_threads(),
        processor=processor_name(),
        features=tuple(sorted(name for name in cpu_features() if _VECTORS.fullmatch(name))),
        system=" ".join((platform.system(), platform.machine(), *platform.libc_ver())).strip(),
        versions=dict(_versions()),
        code_sha256=_code_sha256(),
        environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def differences(then: Machine, here: Machine) -> tuple[Difference, ...]:
    """List what of two machines differs."""
    found = [
        Difference(what, str(getattr(then, name)), str(getattr(here, name)))
        for name, what in (
            ("device", "device"),
            ("device_name", "name of the device"),
            ("precision", "precision of the network"),
            ("threads", "threads"),
            ("processor", "processor"),
            ("system", "system"),
        )
        if getattr(then, name) != getattr(here, name)
    ]
    for title, before, now in (
        ("", then.versions, here.versions),
        ("variable ", then.environment, here.environment),
        ("processor's ", dict.fromkeys(then.features, "yes"), dict.fromkeys(here.features, "yes")),
    ):
        found += [
            Difference(f"{title}{name}", before.get(name, "none"), now.get(name, "none"))
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
    if then.code_sha256 != here.code_sha256:
        found.append(Difference("source of mapsr", then.code_sha256[:12], here.code_sha256[:12]))
    return tuple(found)


def _versions() -> Iterator[tuple[str, str]]:
    yield "mapsr", mapsr_cli.__version__
    yield "python", platform.python_version()
    yield "torch", torch.__version__
    built = torch.__config__.show()
    for name, pattern in (("mkl", r"Math Kernel Library Version (\S+)"), ("onednn", r"MKL-DNN v(\S+)")):
        if found := re.search(pattern, built):
            yield name, found[1]
    yield "vectors of torch", torch.backends.cpu.get_cpu_capability()
    if torch.version.cuda:
        yield "cuda", torch.version.cuda
        yield "cudnn", str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    yield "numpy", np.__version__
    yield "pillow", PIL.__version__
    yield from ((name, version) for name in _LIBRARIES if (version := features.version(name)))
    yield "zlib of python", zlib.ZLIB_RUNTIME_VERSION
    for module in ("jpeglib", "pillow_heif", "spandrel"):
        if module in sys.modules:
            yield module, str(getattr(sys.modules[module], "__version__", "unknown"))


@cache
def _code_sha256() -> str:
    package, digest = Path(mapsr_cli.__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
