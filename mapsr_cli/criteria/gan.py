"""Adversarial training with the paper's objective and instance noise: eqns (10) and (26), Appendices A and C."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.criteria.annealing import Annealing, anneal, check_levels
from mapsr_cli.criteria.base import Criterion, CriterionConfig, Judge, Player, Scalars, Stage, State
from mapsr_cli.criteria.judging import apart, held, shifted
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Constraint


@dataclass(frozen=True)
class GANConfig(CriterionConfig):
    """How generator and discriminator learn."""

    rate: float = 1e-4
    """Peak learning rate of the generator (Adam)."""
    beta1: float = 0.5
    """Adam's decay of the gradient's mean, generator."""
    beta2: float = 0.999
    """Adam's decay of the gradient's mean square, generator."""
    discriminator_rate: float = 4e-4
    """Peak learning rate of the discriminator (Adam)."""
    discriminator_beta1: float = 0.5
    """Adam's decay of the gradient's mean, discriminator."""
    discriminator_beta2: float = 0.999
    """Adam's decay of the gradient's mean square, discriminator."""
    discriminator_steady: bool = False
    """Keep the discriminator's rate while the generator's falls (`loop.final_rate`): it stays near its optimum."""
    discriminator_steps: int = 1
    """k: the discriminator's steps before each step of the generator."""
    until_converged: bool = False
    """Go on in rounds of k steps until the mean loss of a round is no lower than that of the round before."""
    discriminator_limit: int = 100
    """The most steps before a step of the generator, with `until_converged`."""
    label_smoothing: float = 0.0
    """ε of one-sided label smoothing (Salimans et al., 2016): real images are labelled 1 − ε."""
    noise: Literal["none", "linear", "geometric", "adaptive"] = "linear"
    """Instance noise: none; σ from start to end over the run, linearly, or linearly in log σ
    (geometric); or σ that holds the discriminator's loss (adaptive, Appendix C)."""
    noise_start: float = 0.1
    """σ at first, in image units. Adaptive: also the most. Wide enough to bridge gaps in the data."""
    noise_end: float = 0.0
    """σ at last. Adaptive: the least."""
    noise_target: float = 0.5
    """Adaptive: the discriminator's loss to hold, 0 (it recognises every image) … 0.69 (chance)."""
    noise_gain: float = 0.02
    """Adaptive: change of log σ per step of the generator, per nat that the loss is off its target."""
    relativistic: bool = False
    """D tells y from ŷ by the difference of their logits, pair by pair (Jolicoeur-Martineau, 2018)."""
    r1: float = 0.0
    """γ of γ/2 · ‖∂D/∂y‖² at images y, which D pays: it shall be flat there (Mescheder et al., 2018)."""
    r2: float = 0.0
    """The same at estimates ŷ."""
    slope_share: float = 1.0
    """Share of D's steps, drawn at random, that pay r1 and r2, for the others as well: their gradients of gradients
    take as long as the rest of a step (Karras et al., 2020, who pay in every sixteenth)."""
    null_space: bool = False
    """D sees ½ + y − A⁺A y alone: what the LR image leaves open, all that a projected generator decides."""
    shift: int = 0
    """D sees images moved to one of shift + 1 places along each axis, drawn for every batch: against grids, see
    `shifted`."""

    def __post_init__(self) -> None:
        if not 1 <= self.discriminator_steps <= self.discriminator_limit:
            raise UsageError("discriminator_steps must be at least 1 and at most discriminator_limit")
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"label_smoothing must lie in [0, 1), not {self.label_smoothing}")
        if self.noise != "none" and not 0 <= self.noise_end <= self.noise_start:
            raise UsageError(f"noise cannot fall from {self.noise_start} to {self.noise_end}")
        if self.shift < 0:
            raise UsageError(f"shift must be zero or more pixels, not {self.shift}")
        if self.relativistic and self.label_smoothing:
            raise UsageError("label_smoothing has no meaning for relativistic pairs, which have no labels")
        if min(self.r1, self.r2) < 0:
            raise UsageError(f"r1 and r2 must be zero or more, not {self.r1} and {self.r2}")
        if not 0 < self.slope_share <= 1:
            raise UsageError(f"slope_share must lie in (0, 1], not {self.slope_share}")
        if self.noise == "geometric":
            check_levels(self.noise_start, self.noise_end, "noise")
        if self.noise == "adaptive" and not self.noise_start > 0:
            raise UsageError("adaptive noise multiplies σ: noise_start must be above zero")


NARROWEST = 1e-3
"""Least adaptive σ, as a share of noise_start: practically no noise, yet close enough to grow again."""


class InstanceNoise:
    """σ of the Gaussian noise that real and estimated images both get.

    Adaptive (Appendix C): an integral controller on log σ. Where the discriminator separates the two too well, its
    loss is below the target and σ grows; where too badly, σ falls. So σ follows the generator as it improves.
    """

    def __init__(self, config: GANConfig) -> None:
        self.config = config
        self.log_sigma = torch.tensor(math.log(config.noise_start)) if config.noise == "adaptive" else None

    def sigma(self, progress: float) -> Tensor | float:
        """Return the standard deviation, in image units."""
        if self.log_sigma is not None:
            return self.log_sigma.exp()
        if self.config.noise == "none":
            return 0.0
        how: Annealing = "geometric" if self.config.noise == "geometric" else "linear"
        return anneal(self.config.noise_start, self.config.noise_end, progress, how)

    def observe(self, loss: Tensor | float) -> None:
        """Update σ by the discriminator's loss."""
        if self.log_sigma is None:
            return
        config = self.config
        least = math.log(max(config.noise_end, NARROWEST * config.noise_start))
        short = (config.noise_target - torch.as_tensor(loss)).nan_to_num(0.0, 0.0, 0.0)
        self.log_sigma = (self.log_sigma + config.noise_gain * short).clamp(least, math.log(config.noise_start))


class GAN(Criterion):
    """A discriminator D learns to tell images from estimates, and the generator to raise D's logit.

    Eqn (10): D minimises −E log D(y) − E log(1 − D(ŷ)) (half of that here: the mean over both kinds, log 2 by chance);
    the generator minimises E[−log(D/(1 − D))] = E[−logit(ŷ)], which is KL[q‖p_Y] where D is at its optimum (eqns
    18–20). With instance noise D sees y + ε and ŷ + ε, for the generator too, and it is KL[p_σ∗q ‖ p_σ∗p_Y], eqn (26).
    That D should be near its optimum asks for several of its steps, at a higher rate, to each of the generator's.

    D always sees images and estimates in one batch, so that batch normalisation takes its statistics from the mixture
    of both. By statistics of each kind alone, a logit would depend on its batch's kind and not on the image. The same
    holds for the generator's step: D in evaluation mode would lag behind its own weights.

    Of relativistic pairs, y and ŷ of one LR image, D is asked which of the two is the image.
    """

    Config: ClassVar = GANConfig
    needs: ClassVar[Judge] = "discriminator"
    config: GANConfig

    def __init__(self, config: GANConfig, judge: nn.Module | None = None) -> None:
        super().__init__(config, judge)
        assert judge is not None
        betas = config.discriminator_beta1, config.discriminator_beta2
        optimiser = torch.optim.Adam(judge.parameters(), config.discriminator_rate, betas)
        self.discriminator = Player(judge, optimiser, steady=config.discriminator_steady)
        self.noise = InstanceNoise(config)
        self.constraint: Constraint | None = None
        self.has_batch_norm = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in judge.modules())

    def bind(self, constraint: Constraint) -> None:
        """Take the A whose null space D may look at."""
        self.constraint = constraint

    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield the discriminator."""
        yield "discriminator", self.discriminator

    def prepare(self, stage: Stage, sample: Callable[[], tuple[Tensor, Tensor]]) -> Scalars:
        """Train the discriminator for k steps, or for rounds of k until its loss stops falling."""

        def objective() -> tuple[Tensor, Scalars]:
            return self.discriminate(*sample(), stage.progress)

        k, steps, before = self.config.discriminator_steps, 0, math.inf
        while True:
            reports = [stage.update(self.discriminator, objective) for _ in range(k)]
            steps += k
            loss = sum(report["d_loss"] for report in reports) / k
            if not self.config.until_converged or steps + k > self.config.discriminator_limit:
                break
            if not float(loss) < before:  # so that NaN ends the rounds, too
                break
            before = float(loss)
        self.noise.observe(loss)
        return {**reports[-1], "d_loss": loss, "d_steps": float(steps)}

    def discriminate(self, y: Tensor, estimate: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the loss of logistic regression between images y and estimates ŷ, [N, C, H, W] both.

        Of relativistic pairs: −log sigmoid(logit(y) − logit(ŷ)). `d_loss` is reported without `d_slope`, of r1 and r2.
        """
        sigma, config = self.noise.sigma(progress), self.config
        seen = self._seen(y, estimate, sigma)
        slopes = bool(config.r1 or config.r2)
        if pays := slopes and (config.slope_share == 1 or torch.rand(()).item() < config.slope_share):
            seen.requires_grad_()
        real, fake = self._logits(self.discriminator.network, seen, len(y))
        if config.relativistic:
            value = functional.softplus(fake - real).mean()
        else:
            smoothed = torch.full_like(real, 1 - config.label_smoothing)
            real_loss = functional.binary_cross_entropy_with_logits(real, smoothed)
            fake_loss = functional.softplus(fake).mean()  # −log(1 − D)
            value = (real_loss + fake_loss) / 2
        report = {"d_loss": value, "d_real": real.mean(), "d_fake": fake.mean()}
        if slopes:
            report["d_slope"] = self._slopes(seen, real, fake) / config.slope_share if pays else value.new_zeros(())
            value = value + report["d_slope"]
        return value, {**{name: number.detach() for name, number in report.items()}, "sigma": sigma}

    def _slopes(self, seen: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """Compute (γ₁ E‖∂D/∂y‖² + γ₂ E‖∂D/∂ŷ‖²)/2, with D the sum of an image's logits, per position."""
        (gradient,) = torch.autograd.grad(real.sum() + fake.sum(), seen, create_graph=True)
        squared = gradient.square().flatten(1).sum(1) / real[0].numel()  # [N + M]
        return (self.config.r1 * squared[: len(real)].mean() + self.config.r2 * squared[len(real) :].mean()) / 2

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute E[−logit(ŷ + ε)]: nats per image, or per position where logits are local.

        Of relativistic pairs: E[−log sigmoid(logit(ŷ + ε) − logit(y + ε′))], D's loss with the two exchanged.
        """
        value = self.divergence(estimate, truth, progress).mean()
        return value, {"loss": value.detach()}

    def divergence(self, estimate: Tensor, truth: Tensor, progress: float) -> Tensor:
        """Compute −logit(ŷ + ε) in nats, [N] or one per position; at D's optimum its mean is KL[q‖p_Y].

        Of relativistic pairs it is what `loss` averages. Otherwise `truth` is for D's batch statistics alone.
        """
        relativistic, network = self.config.relativistic, held(self.discriminator.bare)
        company = truth if relativistic or self.has_batch_norm else truth[:0]
        seen = self._seen(company, estimate, self.noise.sigma(progress))
        if relativistic and not self.has_batch_norm:
            real, fake = (logits.to(seen.dtype) for logits in apart(network, seen, len(company)))
        else:
            real, fake = self._logits(network, seen, len(company))
        return functional.softplus(real - fake) if relativistic else -fake

    def view(self, images: Tensor) -> Tensor:
        """Take images, or ½ + y − A⁺A y of them, moved at random, see `shifted`."""
        if self.config.null_space:
            assert self.constraint is not None
            operator = self.constraint.operator(images)
            images = 0.5 + images - operator.pinv(operator.down(images))
        return shifted(images, self.config.shift)

    def _seen(self, y: Tensor, estimate: Tensor, sigma: Tensor | float) -> Tensor:
        """Make one batch of N images and M estimates as D sees them, with noise: [N + M, C, h, w]."""
        both = self.view(torch.cat([y, estimate]))
        return both + sigma * torch.randn_like(both)

    @staticmethod
    def _logits(discriminator: Callable[[Tensor], Tensor], seen: Tensor, real: int) -> tuple[Tensor, Tensor]:
        """Compute logits, [N] or one per position: of the first `real`, which are images, and of the rest."""
        logits = discriminator(seen).to(seen.dtype)
        return logits[:real], logits[real:]

    def state(self) -> State:
        """Return the adaptive noise level."""
        return {} if self.noise.log_sigma is None else {"log_sigma": float(self.noise.log_sigma)}

    def load_state(self, state: State) -> None:
        """Go on from `state()`."""
        if self.noise.log_sigma is not None:
            self.noise.log_sigma = torch.tensor(state["log_sigma"])
