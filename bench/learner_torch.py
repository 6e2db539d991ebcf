"""RLPD's update in eager PyTorch, in two forms; a process of its own.

`batched` is what eager PyTorch can do: all critics by `torch.baddbmm`, fused Adam, one call for all targets.
`modules` is common practice: one `nn.Sequential` a critic, Adam as it comes, a loop over the targets.
`python -m bench.learner_torch FORM` reads a number of updates a line from stdin and answers with the seconds
they took. It is apart because PyTorch's threads spin while they wait, which disturbs what is measured beside.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  the name everyone uses

from bench.learner_setting import BATCH, CFG, SPEC

ACTION, STATE = SPEC.action_size, SPEC.state_size
E, U = CFG.n_critics, CFG.utd


def _mlp(sizes: tuple[int, ...], *lead: int) -> list[torch.Tensor]:
    """Weight and bias of every layer, then a LayerNorm's scale and shift where the ensemble has one."""
    params = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        params += [torch.randn(*lead, a, b) * a**-0.5, torch.zeros(*lead, *([1] if lead else []), b)]
        if lead and i < len(sizes) - 2:
            params += [torch.ones(*lead, 1, b), torch.zeros(*lead, 1, b)]
    return [p.requires_grad_() for p in params]


def _q(params: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Values [E, B] of inputs [B, S + A]."""
    x = x.expand(E, -1, -1)
    for i in range(len(CFG.critic_hidden)):
        w, b, scale, shift = params[4 * i : 4 * i + 4]
        x = torch.relu(F.layer_norm(torch.baddbmm(b, x, w), w.shape[-1:], eps=1e-6) * scale + shift)
    return torch.baddbmm(params[-1], x, params[-2])[..., 0]


def _policy(params: list[torch.Tensor], state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A sampled action [B, A] and its log density [B]."""
    x = state
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = torch.relu(torch.addmm(b, x, w))
    mean, log_std = torch.addmm(params[-1], x, params[-2]).chunk(2, -1)
    normal = torch.distributions.Normal(mean, log_std.clamp(CFG.log_std_min, CFG.log_std_max).exp())
    raw = normal.rsample()
    slope = 2 * (0.6931472 - raw - F.softplus(-2 * raw))
    return raw.tanh(), (normal.log_prob(raw) - slope).sum(-1)


class Batched:
    """All critics as one list of stacked weights."""

    def __init__(self) -> None:
        self.params = _mlp((STATE + ACTION, *CFG.critic_hidden, 1), E)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Values [E, B] of inputs [B, S + A]."""
        return _q(self.params, x)


class Modules:
    """One module a critic."""

    def __init__(self) -> None:
        self.nets = nn.ModuleList(_critic() for _ in range(E))
        self.params = list(self.nets.parameters())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Values [E, B] of inputs [B, S + A]."""
        return torch.stack([net(x).squeeze(-1) for net in self.nets])


FORMS = {"batched": Batched, "modules": Modules}


def _critic() -> nn.Sequential:
    layers: list[nn.Module] = []
    size = STATE + ACTION
    for width in CFG.critic_hidden:
        layers += [nn.Linear(size, width), nn.LayerNorm(width, eps=1e-6), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 1))


class Learner:
    """Weights, optimisers and one `update`."""

    def __init__(self, form: str) -> None:
        self.actor = _mlp((STATE, *CFG.actor_hidden, 2 * ACTION))
        self.q, self.target_q = FORMS[form](), FORMS[form]()
        self.critic, self.target = self.q.params, self.target_q.params
        with torch.no_grad():
            torch._foreach_copy_(self.target, self.critic)
        self.log_temp = torch.zeros((), requires_grad=True)
        groups = ((self.actor, CFG.actor_lr), (self.critic, CFG.critic_lr), ([self.log_temp], CFG.temp_lr))
        self.batched = form == "batched"
        fused = True if self.batched else None
        self.opts = [torch.optim.Adam(params, lr=lr, fused=fused) for params, lr in groups]

    def update(self, batches: dict[str, torch.Tensor]) -> None:
        """U critic steps, then one of the policy and one of the temperature."""
        for u in range(U):
            batch = {k: v[u] for k, v in batches.items()}
            self._critic_step(batch)
        temp = self.log_temp.detach().exp()
        action, logp = _policy(self.actor, batch["obs"])
        loss = (temp * logp - self.q(torch.cat([batch["obs"], action], -1)).mean(0)).mean()
        grads = torch.autograd.grad(loss, self.actor)
        self._step(0, self.actor, grads)
        goal = CFG.entropy_per_action * ACTION
        temp_loss = self.log_temp.exp() * (-logp.detach().mean() - goal)
        self._step(2, [self.log_temp], torch.autograd.grad(temp_loss, [self.log_temp]))

    def _critic_step(self, batch: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            action, logp = _policy(self.actor, batch["next_obs"])
            all_q = self.target_q(torch.cat([batch["next_obs"], action], -1))
            worth = all_q[torch.randperm(E)[: CFG.n_min]].min(0).values - self.log_temp.exp() * logp
            target = batch["reward"] + CFG.gamma * batch["discount"] * worth
        q = self.q(torch.cat([batch["obs"], batch["action"]], -1))
        self._step(1, self.critic, torch.autograd.grad((q - target).square().mean(), self.critic))
        with torch.no_grad():
            if self.batched:
                torch._foreach_lerp_(self.target, self.critic, CFG.tau)
                return
            for target, online in zip(self.target, self.critic, strict=True):
                target.mul_(1.0 - CFG.tau).add_(online, alpha=CFG.tau)

    def _step(self, which: int, params: list[torch.Tensor], grads: tuple[torch.Tensor, ...]) -> None:
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        self.opts[which].step()


def main() -> None:
    """Answers every line on stdin, until it ends."""
    batches = {k: torch.from_numpy(v) for k, v in BATCH.items()}
    learner = Learner(sys.argv[1] if len(sys.argv) > 1 else "batched")
    learner.update(batches)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            learner.update(batches)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
