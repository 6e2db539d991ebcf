"""One config for every agent; `presets` fills it as published."""

import dataclasses
import math
from typing import Literal, get_args

from sandlot.learners.errors import ConfigError

Algo = Literal["rlpd", "sac", "bc", "wsrl", "hg_dagger"]
CLONES = ("bc", "hg_dagger")
"""Those that imitate: a policy and no critics."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """How to learn. The defaults are RLPD as published; SERL's deviations are switches, all off.

    Attributes:
        algo: "rlpd" (half of each batch from demonstrations), "sac", "bc", "wsrl", or "hg_dagger" (clones
            demonstrations and a person's corrections).
        actor_hidden: widths of the policy's hidden layers.
        critic_hidden: widths of each critic's hidden layers.
        activation: "relu" or "tanh"; RLPD uses ReLU, SERL tanh.
        critic_layer_norm: LayerNorm between dense layer and activation of the critics.
        actor_layer_norm: the same in the policy (SERL); RLPD keeps it out.
        n_critics: size of the Q ensemble.
        n_min: how many target critics are drawn for the target's minimum.
        batch_size: samples of one gradient step.
        utd: critic steps per environment step; one `update` call usually does this many.
        demo_fraction: share of every batch that comes from demonstrations (rlpd, wsrl with retention).
        n_step: length of the returns that replay prepares.
        gamma: discount of one environment step.
        tau: share of the online critic that enters the target after each step.
        actor_lr: Adam step size of the policy.
        critic_lr: Adam step size of the critics.
        temp_lr: Adam step size of the temperature.
        lr_warmup_steps: steps over which the step sizes rise linearly from 0 (SERL: 2000).
        init_temperature: first value of the entropy temperature.
        entropy_per_action: target entropy in nats for each action number; -0.5 (RLPD) or -1 (WSRL).
        entropy_backup: the target counts the next action's entropy.
        actor_every: policy and temperature step after every k-th critic step; 0 means once per `update` call,
            on its last minibatch (RLPD).
        actor_reduce: the policy climbs the "mean" (RLPD) or the "min" (WSRL) of all critics.
        log_std_min: lower clip of the policy's log standard deviation before tanh.
        log_std_max: upper clip.
        subset_with_replacement: SERL: the drawn target critics may coincide.
        shared_q_head: SERL: the critics share one output layer.
        zero_grad_actor_steps: SERL: Adam also moves policy and temperature when they have no gradient.
        temperature_on_next_obs: SERL: the temperature's loss looks at next_obs.
        actor_on_whole_batch: SERL: the policy steps on all minibatches of the call at once.
        unmasked_entropy_backup: SERL: the entropy in the target is not multiplied by gamma * discount.
        atoms: critics say how returns are distributed over so many values (C51: 51, RACER: 151), each critic
            with a target of its own, so `n_min` does not count; 0: they say one number.
        value_range: the lowest and the highest of these values: sums of discounted rewards.
        risk: the policy climbs the mean of the worst 1 - risk share of returns (CVaR; RACER: 0.9); 0: of all.
        limit_number: which number of the state the first action number raises, as a car's commanded speed:
            the policy keeps it below a limit that is learned (RACER); -1: there is none.
        limit_step: what an action of 1 adds to that number.
        limit_range: the lowest and the highest limit; it begins near the lowest.
        bc_loss: "nll" of the tanh-Gaussian, or "mse" of its mode.
        bc_dropout: chance of a hidden unit being dropped while cloning.
        cql_alpha: weight of the conservative penalty.
        cql_actions: how many uniform, policy and next-policy actions the penalty samples, each.
        cql_importance: weigh these samples by their density.
        calibrate: Cal-QL: the penalty never pushes below the Monte-Carlo return.
        max_target_backup: the target takes the best of `cql_actions` next actions while offline.
        offline_steps: gradient steps before practice: of critics (wsrl) or of the clone (bc, hg_dagger).
        warmup_env_steps: WSRL: environment steps played by the pretrained policy before the first update.
        retain: WSRL: keep sampling the offline data online (`demo_fraction` of each batch).
        encoder: what turns frames into features: "conv", "resnet10", or a plugin's name.
        encoder_settings: the encoder's own settings, as NAME=VALUE.
        encoder_init: file of a trained encoder (`sandlot pretrain`) whose weights the agent's own start from.
        encoder_frozen: never train the encoders.
        latent: numbers per camera after the bottleneck.
        augment_px: frames are shifted at random by up to this many pixels; 0 leaves them as they are.
        frame_stack: how many frames in a row are seen at once; the first of an episode is repeated.
        gripper: "continuous", or "dqn": a double DQN tells action entries named `gripper...` to close, stay
            or open, and SAC decides the rest (rlpd and sac).
        gripper_penalty: what switching a gripper costs in the DQN's reward.
        gripper_epsilon: chance that an actor tells the grippers something random instead, each step.
    """

    algo: Algo = "rlpd"
    actor_hidden: tuple[int, ...] = (256, 256)
    critic_hidden: tuple[int, ...] = (256, 256)
    activation: Literal["relu", "tanh"] = "relu"
    critic_layer_norm: bool = True
    actor_layer_norm: bool = False
    n_critics: int = 10
    n_min: int = 2
    batch_size: int = 256
    utd: int = 20
    demo_fraction: float = 0.5
    n_step: int = 1
    gamma: float = 0.99
    tau: float = 0.005
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    temp_lr: float = 3e-4
    lr_warmup_steps: int = 0
    init_temperature: float = 1.0
    entropy_per_action: float = -0.5
    entropy_backup: bool = True
    actor_every: int = 0
    actor_reduce: Literal["mean", "min"] = "mean"
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    subset_with_replacement: bool = False
    shared_q_head: bool = False
    zero_grad_actor_steps: bool = False
    temperature_on_next_obs: bool = False
    actor_on_whole_batch: bool = False
    unmasked_entropy_backup: bool = False
    atoms: int = 0
    value_range: tuple[float, float] = (0.0, 0.0)
    risk: float = 0.0
    limit_number: int = -1
    limit_step: float = 0.1
    limit_range: tuple[float, float] = (0.3, 1.0)
    bc_loss: Literal["nll", "mse"] = "nll"
    bc_dropout: float = 0.0
    cql_alpha: float = 5.0
    cql_actions: int = 10
    cql_importance: bool = True
    calibrate: bool = True
    max_target_backup: bool = False
    offline_steps: int = 20_000
    warmup_env_steps: int = 5_000
    retain: bool = False
    encoder: str = "conv"
    encoder_settings: tuple[str, ...] = ()
    encoder_init: str = ""
    encoder_frozen: bool = False
    latent: int = 50
    augment_px: int = 4
    frame_stack: int = 1
    gripper: Literal["continuous", "dqn"] = "continuous"
    gripper_penalty: float = 0.02
    gripper_epsilon: float = 0.02

    def __post_init__(self) -> None:
        """Raises ConfigError naming the field, its value, the rule and what to write instead."""
        # YAML gives lists; jit needs something hashable
        for field in ("actor_hidden", "critic_hidden", "encoder_settings", "value_range", "limit_range"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field, choices in _CHOICES.items():
            _need(self, field, getattr(self, field) in choices, f"must be one of {', '.join(choices)}")
        for field in ("actor_hidden", "critic_hidden"):
            widths = getattr(self, field)
            good = len(widths) > 0 and all(isinstance(w, int) and w > 0 for w in widths)
            _need(self, field, good, "must list at least one positive whole width, such as [256, 256]")
        for field in (
            "n_critics",
            "n_min",
            "batch_size",
            "utd",
            "n_step",
            "cql_actions",
            "latent",
            "frame_stack",
        ):
            value = getattr(self, field)
            _need(self, field, isinstance(value, int) and value >= 1, "must be a whole number of at least 1")
        for field in ("actor_every", "lr_warmup_steps", "offline_steps", "warmup_env_steps", "augment_px"):
            value = getattr(self, field)
            _need(self, field, isinstance(value, int) and value >= 0, "must be a whole number of at least 0")
        for field in ("gamma", "demo_fraction"):
            _need(self, field, 0 <= getattr(self, field) <= 1, "must lie in [0, 1]")
        for field in ("tau", "actor_lr", "critic_lr", "temp_lr"):
            _need(self, field, 0 < getattr(self, field) <= 1, "must lie in (0, 1]")
        _need(self, "bc_dropout", 0 <= self.bc_dropout < 1, "must lie in [0, 1)")
        _need(self, "cql_alpha", 0 <= self.cql_alpha < math.inf, "must be finite and at least 0")
        _need(self, "init_temperature", 0 < self.init_temperature < math.inf, "must be finite and above 0")
        _need(self, "entropy_per_action", math.isfinite(self.entropy_per_action), "must be finite")
        _need(self, "gripper_penalty", 0 <= self.gripper_penalty < math.inf, "must be finite and at least 0")
        _need(self, "gripper_epsilon", 0 <= self.gripper_epsilon <= 1, "must lie in [0, 1]")
        _need_distribution(self)
        _need_limit(self)
        good = self.gripper == "continuous" or (self.algo in ("rlpd", "sac") and self.n_step == 1)
        rule = (
            f"needs algo rlpd or sac with n_step 1, this is {self.algo} with {self.n_step}; use 'continuous'"
        )
        _need(self, "gripper", good, rule)
        rule = f"must not exceed n_critics ({self.n_critics}); draw fewer or train more critics"
        _need(self, "n_min", self.n_min <= self.n_critics, rule)
        rule = f"must be finite and below log_std_max ({self.log_std_max})"
        _need(self, "log_std_min", -math.inf < self.log_std_min < self.log_std_max < math.inf, rule)


_CHOICES: dict[str, tuple[str, ...]] = {
    "algo": get_args(Algo),
    "activation": ("relu", "tanh"),
    "actor_reduce": ("mean", "min"),
    "gripper": ("continuous", "dqn"),
    "bc_loss": ("nll", "mse"),
}


def _need(cfg: AgentConfig, field: str, good: bool, rule: str) -> None:
    if not good:
        raise ConfigError(f"agent setting '{field}' is {getattr(cfg, field)!r}: it {rule}")


def _need_distribution(cfg: AgentConfig) -> None:
    _need(cfg, "risk", 0 <= cfg.risk < 1, "must lie in [0, 1)")
    good = isinstance(cfg.atoms, int) and (cfg.atoms == 0 or cfg.atoms > 1)
    _need(cfg, "atoms", good, "must be 0 or a whole number of at least 2")
    fits = cfg.algo in ("rlpd", "sac") and cfg.gripper == "continuous"
    rule = f"needs algo rlpd or sac and a continuous gripper, this is {cfg.algo} with {cfg.gripper}; use 0"
    for field in ("risk", "atoms"):
        _need(cfg, field, fits or not getattr(cfg, field), rule)
    rule = "needs critics that know how returns are distributed; set atoms, such as 51, and value_range"
    _need(cfg, "risk", cfg.atoms > 0 or not cfg.risk, rule)
    ends = cfg.value_range
    good = len(ends) == 2 and -math.inf < ends[0] < ends[1] < math.inf  # noqa: PLR2004 - lowest and highest
    rule = "must be the lowest and the highest return that atoms stand for, such as (-5, 50)"
    _need(cfg, "value_range", good or not cfg.atoms, rule)


def _need_limit(cfg: AgentConfig) -> None:
    number = cfg.limit_number
    _need(cfg, "limit_number", isinstance(number, int) and number >= -1, "must be a whole number, or -1")
    fits = cfg.algo in ("rlpd", "sac") and cfg.gripper == "continuous"
    rule = f"needs algo rlpd or sac and a continuous gripper, this is {cfg.algo} with {cfg.gripper}; use -1"
    _need(cfg, "limit_number", fits or number < 0, rule)
    _need(cfg, "limit_step", 0 < cfg.limit_step < math.inf, "must be finite and above 0")
    ends = cfg.limit_range
    good = len(ends) == 2 and -math.inf < ends[0] < ends[1] < math.inf  # noqa: PLR2004 - lowest and highest
    _need(cfg, "limit_range", good, "must be the lowest and the highest limit, such as (0.3, 1.0)")
