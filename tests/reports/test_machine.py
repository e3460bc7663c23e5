from dataclasses import replace

import pytest

from mapsr_cli.reports.machine import Difference, differences, this_machine


def test_a_machine_is_like_itself() -> None:
    assert differences(this_machine("cpu", "fp32"), this_machine("cpu", "fp32")) == ()


def test_what_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    then = this_machine("cpu", "fp32")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    here = this_machine("cpu", "bf16")
    here = replace(
        here,
        features=(*here.features, "avx99"),
        threads=then.threads + 1,
        versions={**here.versions, "torch": "9.9"},
        code_sha256="0" * 64,
    )
    assert differences(then, here) == (
        Difference("precision of the network", "fp32", "bf16"),
        Difference("threads", str(then.threads), str(then.threads + 1)),
        Difference("torch", then.versions["torch"], "9.9"),
        Difference("variable ONEDNN_MAX_CPU_ISA", "none", "AVX2"),
        Difference("processor's avx99", "none", "yes"),
        Difference("source of mapsr", then.code_sha256[:12], "0" * 12),
    )


def test_versions_are_those_that_compute() -> None:
    versions = this_machine("cpu", "fp32").versions
    assert {"mapsr", "python", "torch", "numpy", "pillow", "zlib of python"} <= versions.keys()
    assert all(versions.values())
