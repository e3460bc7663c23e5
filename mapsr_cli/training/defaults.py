"""Settings that depend on preset and method, from Appendix D and from measurements (docs/log)."""

from typing import Any

GAN = ("affgan", "softgan")
GUIDED = ("affdg", "softdg")


def _all(methods: tuple[str, ...], settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    return dict.fromkeys(methods, settings)


# No cracked face, no lattice, few dots (docs/log/texture.md). The error holds texture near the original where
# something can be predicted, and the discriminator tells an image from the estimate of its own LR image, by what that
# leaves open. Without r1 and r2 it grows too strong in a hundred steps. Features weigh little: they draw a lattice in
# flat places.
_PAIRS: dict[str, Any] = {
    "weight": 0.25,
    "content": 2.0,
    "predictable": 0.04,
    "perceptual": 0.1,
    "lattice": 0.5,
    "phases": 0.05,
    "energy": 0.005,
    "spectrum": 0.015,
    "relativistic": True,
    "r1": 2e-4,
    "r2": 2e-4,
    "slope_share": 0.125,
    "rate": 1e-4,
    "beta2": 0.99,
    "discriminator_rate": 3e-4,
    "discriminator_beta2": 0.99,
    "discriminator_steady": True,
    "noise_start": 0.02,
    "noise_end": 0.02,
    "shift": 8,
}


def _photographs(**more: Any) -> dict[str, dict[str, Any]]:
    return {
        "kernel": {"rounded": True},
        "criterion": _PAIRS | more,
        "data": {"patch": (128, 128), "batch": 8, "shrink": 4.0},
        "loop": {"final_rate": 0.05, "average": 0.998},
    }


# What the LR image leaves open is all that a projected generator decides; an unprojected one decides all.
PHOTOGRAPHS: dict[str, dict[str, dict[str, Any]]] = {
    "affgan": _photographs(null_space=True),
    "softgan": _photographs(),
}

DEFAULTS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "swissroll": {
        # The arms are about 2.5 apart: noise must bridge them at first, and most of the time go to narrow noise. The
        # discriminator stays near its optimum: its rate does not fall. Five times slower, the generator was still
        # between the arms when the noise was gone; four times faster, the discriminator did not keep up
        # (docs/log/swissroll.md).
        **_all(
            GAN,
            {
                "criterion": {
                    "rate": 1e-3,
                    "discriminator_rate": 2e-3,
                    "discriminator_steady": True,
                    "discriminator_steps": 8,
                    "noise": "geometric",
                    "noise_start": 2.5,
                    "noise_end": 0.1,
                },
                "data": {"batch": 256},
                "loop": {"final_rate": 0.1, "average": 0.998},
            },
        ),
        # The paper's 0.5 at first cannot see across the gap either: estimates between the arms were carried off.
        **_all(GUIDED, {"criterion": {"sigma_start": 2.0, "sigma_end": 0.25, "noisy": False}, "data": {"batch": 512}}),
        **_all(("mse", "affmse"), {"data": {"batch": 512}}),
        # The median jumps from arm to arm, and MAE is long in finding the jumps: more steps, not larger batches.
        **_all(("mae", "affmae"), {"criterion": {"rate": 2e-3}, "data": {"batch": 256}}),
        **_all(("affll", "softll"), {"data": {"batch": 128}}),
        "denoiser": {"criterion": {"sigma_start": 2.0, "sigma_end": 0.25}, "data": {"batch": 512}},
        "density": {"criterion": {"dequantise": 0.0}, "data": {"batch": 128}},
    },
    "compact": PHOTOGRAPHS,
    "slim": PHOTOGRAPHS,
    "restoring": PHOTOGRAPHS,
}
"""Settings by preset and method. The user's settings come before them."""
