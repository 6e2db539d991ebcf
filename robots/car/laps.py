"""Laps: which checkpoint is next, and what is known of each lap. State in, state and lap out.

A lap begins and ends at the first checkpoint of the course, the start line, wherever the car was put down.
The way to the line before the first lap counts for nothing but the time to the first lap.
"""

import dataclasses
import math

import numpy as np

from sandlot.robots.car.course import Course

MISSED, SHARE = 2, 8
"""So many checkpoints in a row, at most an eighth of the course, need not be gone back for.

A car that passed them at a distance is given them with the next one. Else a goal would lie behind it, maybe
behind a wall, and a policy that only knows the way to goals would be lost. More than that is a short cut.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lap:
    """One lap from start line to start line.

    Attributes:
        began_s: when the line was crossed.
        time_s: until it was crossed again.
        collisions: in between.
        interventions: how often a person took over in between.
    """

    began_s: float
    time_s: float
    collisions: int
    interventions: int

    @property
    def clean(self) -> bool:
        """Whether the car drove it without collision and alone."""
        return not (self.collisions or self.interventions)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LapState:
    """Where a car is on its course.

    Attributes:
        goal: index of the checkpoint to be passed next.
        began_s: when the running lap began; NaN before the start line was crossed.
        collisions: in the running lap, or before the first.
        interventions: likewise.
        passed: checkpoints passed since the start, for progress.
    """

    goal: int = 0
    began_s: float = math.nan
    collisions: int = 0
    interventions: int = 0
    passed: int = 0


def begin(course: Course, position_m: np.ndarray, heading_rad: float) -> LapState:
    """The state of a car that is put down anywhere: the nearest checkpoint ahead of it is next."""
    away = np.array(course.checkpoints_m) - position_m
    ahead = away @ np.array([math.cos(heading_rad), math.sin(heading_rad)]) > 0.0
    distance = np.linalg.norm(away, axis=1)
    return LapState(goal=int(np.where(ahead | ~ahead.any(), distance, np.inf).argmin()))


def drive(
    state: LapState,
    course: Course,
    position_m: np.ndarray,
    now_s: float,
    *,
    collided: bool = False,
    taken_over: bool = False,
) -> tuple[LapState, Lap | None]:
    """One more position.

    Args:
        state: before it.
        course: that is driven.
        position_m: of the car's middle [2], in the course's frame.
        now_s: steady time.
        collided: a collision has just begun.
        taken_over: a person has just taken over.

    Returns:
        The state after it, and the lap that it ended, if any.
    """
    state = dataclasses.replace(
        state, collisions=state.collisions + collided, interventions=state.interventions + taken_over
    )
    count = len(course.checkpoints_m)
    ahead = [(state.goal + k) % count for k in range(1 + min(MISSED, count // SHARE))]
    away_m = np.linalg.norm(np.array(course.checkpoints_m)[ahead] - position_m, axis=1)
    if away_m.min() > course.radius_m:
        return state, None
    reached = int((away_m <= course.radius_m).argmax())
    following = (ahead[reached] + 1) % count
    passed = dataclasses.replace(state, goal=following, passed=state.passed + reached + 1)
    if 0 not in ahead[: reached + 1]:
        return passed, None
    lap = None
    if math.isfinite(state.began_s):
        lap = Lap(
            began_s=state.began_s,
            time_s=now_s - state.began_s,
            collisions=state.collisions,
            interventions=state.interventions,
        )
    return dataclasses.replace(passed, began_s=now_s, collisions=0, interventions=0), lap


def summary(laps: list[Lap], practice_began_s: float) -> dict[str, float | int | None]:
    """The figures that are reported of practice; None where there was no such lap.

    Args:
        laps: in order.
        practice_began_s: steady time at which practice began.
    """
    clean = [lap for lap in laps if lap.clean]
    times_s = [lap.time_s for lap in laps]
    return {
        "laps": len(laps),
        "clean_laps": len(clean),
        "first_lap_s": laps[0].began_s + laps[0].time_s - practice_began_s if laps else None,
        "first_clean_lap_s": clean[0].began_s + clean[0].time_s - practice_began_s if clean else None,
        "best_lap_s": min(times_s, default=None),
        "median_lap_s": float(np.median(times_s)) if laps else None,
        "median_collisions": float(np.median([lap.collisions for lap in laps])) if laps else None,
        "interventions": sum(lap.interventions for lap in laps),
    }
