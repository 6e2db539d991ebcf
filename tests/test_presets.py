"""Presets: what a task's own file, `--preset` and `--robot` change, before flags override them."""

from sandlot.presets import preset


def test_a_real_robot_does_not_wait_for_the_learner():
    assert preset(["arm_pick", "--robot", "ros"]).pace == "realtime"
    assert preset(["arm_pick"]).pace == "learner"


def test_a_task_has_its_own_settings_and_another_id_the_defaults():
    assert preset(["arm_insert"]).task == "arm_insert"
    assert preset(["gymnasium:Pendulum-v1"]).demos == 0
    assert preset(["arm_pick", "--preset=serl"]).agent == preset(["arm_pick", "--preset", "serl"]).agent
