"""Presets: what a task's own file, `--preset` and `--robot` change, before flags override them."""

from sandlot.presets import preset


def test_a_real_robot_does_not_wait_for_the_learner():
    assert preset(["arm_pick", "--robot", "ros"]).pace == "realtime"
    assert preset(["arm_pick"]).pace == "learner"


def test_a_task_has_its_own_settings_and_another_id_the_defaults():
    assert preset(["arm_insert"]).task == "arm_insert"
    assert preset(["gymnasium:Pendulum-v1"]).demos == 0
    assert preset(["arm_pick", "--preset=serl"]).agent == preset(["arm_pick", "--preset", "serl"]).agent


def test_a_task_seen_through_cameras_may_have_settings_of_its_own():
    state, seen = preset(["arm_pick"]), preset(["arm_pick", "--cameras", "wrist", "side"])
    assert seen.update_ratio < state.update_ratio and seen.agent.batch_size == state.agent.batch_size
    assert (
        preset(["arm_pick", "--cameras=wrist", "--encoder", "e.safetensors"]) == state
    )  # no frames are left
    assert preset(["arm_reach", "--cameras", "wrist"]) == preset(["arm_reach"])  # it has none
