"""`ClassifierEnv`: a classifier's word on the cameras' frames is the reward, and nothing else is.

A success has to be seen in several steps, by frames that are new, after it was seen absent in the same
episode. Where the cameras or the classifier cannot be believed, no reward is made up: the step raises
`RewardError`, so that an actor keeps it as aborted, never learns from it, and begins another episode.
"""

import logging
import pathlib
import uuid
from typing import Any

import gymnasium as gym
import numpy as np

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, NotReadyError, SandlotError
from sandlot.learners.real_time import Heard, real_time
from sandlot.perception.classifier.panel import Opinion, Panel
from sandlot.perception.classifier.queue import FOLDER, Keeper
from sandlot.perception.classifier.watch import Fault, Limits

log = logging.getLogger(__name__)

FAULTY_EPISODES = 5
"""So many episodes in a row may end by a fault of the classifier itself; then it is given up."""
UNCERTAIN = (0.2, 0.8)
KEEP_EVERY = 5
"""Of the steps that are not certain, one in so many is kept for labelling."""

Obs = dict[str, Any]


class RewardError(NotReadyError):
    """Nothing can be said about success just now: says which camera or what of the classifier, and why."""


class ClassifierEnv(gym.Wrapper[Obs, np.ndarray, Obs, np.ndarray]):
    """An env whose reward is 1 in the step in which the classifiers are sure of success, which ends it.

    Info holds `success`: their word; `p_success`: the calibrated probability of the last stage; `stage`: how
    many stages were reached; `true_success`: whether the task itself was done at any time of this episode, as
    a simulator or a person knows, else None. When a person says how an episode ended (`told`), that stands.

    Args:
        env: an env of `envs.make` with cameras.
        path: the classifier's file; several, with commas between, are stages in that order.
        limits: from where cameras and answers count as broken.
        queue: folder for frames that it was not sure of; beside the file when None.
    """

    def __init__(
        self,
        env: gym.Env[Obs, np.ndarray],
        path: str,
        *,
        limits: Limits | None = None,
        queue: pathlib.Path | None = None,
    ) -> None:
        super().__init__(env)
        paths = [pathlib.Path(one) for one in path.split(",") if one]
        if not paths:
            raise ConfigError("no classifier is named; `sandlot classifier train` writes one")
        self._spec, self._robot = envs.env_spec(env), real_time(env)
        self.panel = Panel(paths, self._spec, limits, envs.crops(env))
        self._keeper = Keeper(queue or paths[-1].parent / FOLDER)
        self._faulty = 0  # episodes in a row that the classifier itself spoiled
        self._steps = self._doubtful = 0
        self._done = False  # whether the task itself was done in this episode
        self._episode = ""
        self._fault: Fault | None = None
        for one in self.panel.classifiers:
            log.info("event=classifier_loaded task=%s digest=%s", one.spec.task, one.digest[:12])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode; raises RewardError when nothing can be seen."""
        obs, info = self.env.reset(seed=seed, options=options)
        self.panel.begin()
        self._steps = self._doubtful = 0
        self._episode = uuid.uuid4().hex[:12]
        self._done = bool(info.get("success", False))
        opinion = self._believed(self._look(obs))
        return obs, info | self._info(opinion, False, self._known)

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Does one action; the classifiers say what came of it.

        Raises:
            RewardError: a camera or the classifier cannot be believed.
            SandlotError: the classifier itself failed in several episodes in a row.
        """
        obs, _, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        truth = bool(info.get("success", False))
        self._done = self._done or truth
        opinion = self._look(obs)
        if info.get(
            "told", False
        ):  # a person knows better, whatever is broken; what they saw is worth a label
            if opinion.fault is None:
                self._offer(obs, opinion)
            return obs, float(truth), terminated, truncated, info | self._info(opinion, truth, truth)
        self._believed(opinion)
        self._keep(obs, opinion)
        success = opinion.success
        over = self._steps >= self._spec.max_episode_steps
        truncated = not success and (truncated or (truth and over))
        if (success or truncated) and self._robot is not None:
            self._robot.pause()
        # the task may end without success, by a fall say; that it was done is for the classifiers to say
        ended = success or (terminated and not truth)
        if ended or truncated:
            self._faulty = 0
        info = info | self._info(opinion, success, self._known)
        return obs, float(success), ended, truncated and not ended, info

    def close(self) -> None:
        """Frees the env; frames that wait for the disk are written."""
        self._keeper.close()
        self.env.close()

    def _look(self, obs: Obs) -> Opinion:
        """The panel's opinion; a fault is heard when it begins."""
        opinion, before = self.panel.look(obs["images"], obs["state"]), self._fault
        self._fault = fault = opinion.fault
        if fault is None and isinstance(self._robot, Heard):
            self._robot.tell_p_success(self._spec.task, float(opinion.reached[-1]))
        if fault is not None and (before is None or before.sight != fault.sight):
            what = "sight" if fault.sight else "classifier"
            log.error("event=reward_fault kind=%s step=%d reason=%r", what, self._steps, fault.text)
        return opinion

    def _believed(self, opinion: Opinion) -> Opinion:
        """The opinion, or what ends the episode when there is none."""
        if opinion.fault is None:
            return opinion
        fault = opinion.fault
        if self._robot is not None:
            self._robot.pause()
        if fault.sight:  # a lens is wiped, a lamp comes on
            raise RewardError(
                f"the reward classifier sees nothing to judge: {fault.text}; no reward is given"
            )
        self._faulty += 1
        text = f"the reward classifier of task '{self._spec.task}' cannot be believed: {fault.text}"
        if self._faulty >= FAULTY_EPISODES:
            raise SandlotError(
                f"{text}, in {self._faulty} episodes in a row; train it again or name another (--classifier)"
            )
        raise RewardError(f"{text}; no reward is given")

    def _keep(self, obs: Obs, opinion: Opinion) -> None:
        """Offers a frame that the panel was not sure of to the queue."""
        stage = min(opinion.stage, self.panel.stages - 1)
        rule, p = self.panel.rule, float(opinion.reached[stage])
        if min(UNCERTAIN[0], rule.leave[stage]) < p < max(UNCERTAIN[1], rule.enter[stage]):
            if self._doubtful % KEEP_EVERY == 0:
                self._offer(obs, opinion)
            self._doubtful += 1

    def _offer(self, obs: Obs, opinion: Opinion) -> None:
        cameras = {camera: obs["images"][camera] for camera in self.panel.cameras}
        self._keeper.offer(cameras, float(opinion.reached[-1]), self._episode)

    @property
    def _known(self) -> bool | None:
        """Whether the task was done in this episode, as far as anybody knows."""
        return self._done if self._robot is None else None

    def _info(self, opinion: Opinion, success: bool, known: bool | None) -> dict[str, Any]:
        return {
            "success": success,
            "p_success": float(opinion.reached[-1]),
            "stage": opinion.stage,
            "true_success": known,
        }
