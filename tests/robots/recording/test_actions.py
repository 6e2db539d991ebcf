import msgspec
import pytest
from tests.robots.recording.made import write_bag
from tests.robots.recording.steps_made import SPEC, write_run

from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.learners.schema import Flag, check_steps
from sandlot.learners.store_read import RunReader
from sandlot.robots.recording import actions
from sandlot.robots.recording.episodes import read_episodes
from sandlot.robots.recording.errors import BagError
from sandlot.robots.recording.source import Asked

NOTHING = Asked()


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path / "run")
    return str(tmp_path / "run")


def of(folder) -> list:
    return list(read_episodes(RunReader(folder)))


def test_overview_and_details(run):
    row = actions.overview(run, NOTHING)
    assert (row["kind"], row["task"], row["episodes"], row["steps"]) == ("run", "arm_pick", 4, 30)
    assert (row["successes"], row["aborted"], row["human_steps"], row["minutes"]) == (1, 1, 8, 0.05)
    found = actions.details(run, NOTHING)
    ends = [line["end"] for line in found["each episode"]]
    assert ends == ["success+terminated", "truncated", "aborted", "terminated"]
    assert [line["segments"] for line in found["each episode"]] == [3, 3, 3, 3]
    assert found["images"] == "front 24x16"
    text = actions.table(found["each episode"]).splitlines()
    assert text[0].split()[:3] == ["episode", "stream", "number"]
    assert len({line.index("actor-0") for line in text[1:]}) == 1


def test_cut_leaves_out_episodes_and_steps_and_breaks_the_segment(run, tmp_path):
    out = str(tmp_path / "cut")
    done = actions.cut(run, NOTHING, out, ["0", "2-3"], ["1:4-4"])
    assert (done["episodes"], done["steps"]) == (1, 6)
    before, (after,) = of(run)[1], of(out)
    kept = [0, 1, 2, 3, 5, 6]
    assert after.steps["state"].tobytes() == before.steps["state"][kept].tobytes()
    assert after.steps["segment"].tolist() == [0, 0, 1, 1, 2, 2]
    assert [bool(f & Flag.END) for f in after.steps["flags"]] == [False, True, False, True, False, True]
    check_steps(after.steps, after.finals, SPEC)
    assert after.stream.run != before.stream.run
    # A cut within a segment: the observation behind it ends the segment before it.
    actions.cut(run, NOTHING, str(tmp_path / "inner"), ["0", "2", "3"], ["1:5-5"])
    (inner,) = of(tmp_path / "inner")
    assert inner.steps["segment"].tolist() == [0, 0, 1, 1, 2, 3]
    at_4 = inner.finals[inner.finals["step"] == 4][0]
    assert at_4["state"].tobytes() == before.steps["state"][5].tobytes()
    assert at_4["image.front"].tobytes() == before.steps["image.front"][5].tobytes()


@pytest.mark.parametrize(
    ("drop", "steps", "words"),
    [
        (["7"], [], "there is no episode 7; there are 0 to 3"),
        ([], ["1:5-9"], "episode 1 has steps 0 to 6; 5-9 is no range of them"),
        (["x"], [], "--drop x: give an episode"),
        ([], ["1-2"], "--steps 1-2: give EPISODE:FIRST-LAST"),
        ([], [], "nothing to cut"),
    ],
)
def test_a_cut_that_cannot_be_made_leaves_nothing(run, tmp_path, drop, steps, words):
    with pytest.raises(ConfigError, match=words):
        actions.cut(run, NOTHING, str(tmp_path / "cut"), drop, steps)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_merge_writes_what_is_twice_once_and_names_what_differs(run, tmp_path):
    from sandlot.learners.schema import Stream

    other = str(tmp_path / "other")
    write_run(other, seed=1, stream=Stream("actor-1", "f" * 16))
    done = actions.merge([run, other, run], NOTHING, str(tmp_path / "both"))
    assert (done["episodes"], done["steps"]) == (8, 60)
    merged = of(tmp_path / "both")
    for a, b in zip([*of(run), *of(other)], merged, strict=True):
        assert a.steps.tobytes() == b.steps.tobytes()
        assert a.finals.tobytes() == b.finals.tobytes()
    wide = msgspec.structs.replace(
        SPEC, state=(*SPEC.state[:1], msgspec.structs.replace(SPEC.state[1], size=2))
    )
    write_run(tmp_path / "wide", wide)
    with pytest.raises(SpecError, match=r"cannot be merged: state 'width': 1 x m in .* != 2 x m"):
        actions.merge([run, str(tmp_path / "wide")], NOTHING, str(tmp_path / "none"))


def test_steps_missing_in_the_middle_are_never_learned_across(run, tmp_path):
    from sandlot.learners.schema import Source
    from sandlot.learners.store import RunStore

    with RunStore.open(tmp_path / "policy", SPEC) as store:
        store.import_from(RunReader(run), [Source.POLICY])  # a person's steps 2 and 3 are left out
    actions.merge([str(tmp_path / "policy")], NOTHING, str(tmp_path / "out"))
    for episode in of(tmp_path / "out"):
        check_steps(episode.steps, episode.finals, SPEC)
        assert episode.steps["flags"][1] & Flag.END


def test_plot_is_one_page_with_every_number(run, tmp_path):
    out = tmp_path / "page.html"
    actions.plot(run, NOTHING, 1, str(out))
    text = out.read_text()
    assert "7 steps (5 by policy, 2 by person, 0 by script), 0.7 s; truncated." in text
    for name in ("reward", "delta", "gripper", "position [m]", "width [m]"):
        assert f">{name}</text>" in text
    assert text.count('fill="#e8833a" fill-opacity="0.13"') == 5  # a person's band in every chart
    assert 'stroke-dasharray="5 4"' in text
    assert "http" not in text
    with pytest.raises(ConfigError, match="has no episode 9; it has 0 to 3"):
        actions.plot(run, NOTHING, 9, str(out))


def test_view_writes_every_step_to_rerun(run, tmp_path):
    pytest.importorskip("rerun")
    done = actions.view(run, NOTHING, -1, str(tmp_path / "v.rrd"))
    assert (done["episode"], done["steps"]) == (3, 9)
    assert (tmp_path / "v.rrd").stat().st_size > 10_000


def test_kinds_are_told_apart(run, tmp_path):
    with pytest.raises(ConfigError, match="is a run, not a bag; it is one already"):
        actions.to_run(run, NOTHING, str(tmp_path / "x"), "bag")
    with pytest.raises(ConfigError, match="holds no run .*, no LeRobot data set .* and no bag"):
        actions.overview(str(tmp_path), NOTHING)
    with pytest.raises(StoreError, match="exists; name another folder"):
        actions.merge([run], NOTHING, run)


def test_a_bag_without_steps_is_still_described_and_repaired(tmp_path):
    write_bag(tmp_path / "bag", count=50)
    path = tmp_path / "bag" / "bag_0.mcap"
    path.write_bytes(path.read_bytes()[:-200])
    (tmp_path / "bag" / "metadata.yaml").unlink()
    found = actions.details(str(tmp_path / "bag"), NOTHING)
    assert found["finished"].startswith("no: the recorder was killed")
    assert {t["topic"]: t["messages"] for t in found["topics"]} == {"/arm/joint_states": 50, "/estop": 0}
    done = actions.repair(tmp_path / "bag")
    assert (done["repaired"], done["messages"]) == (True, 50)
    assert not actions.repair(tmp_path / "bag")["repaired"]


def test_a_bag_without_steps_says_so_and_a_file_that_is_none_before_the_task_is_asked_for(tmp_path):
    pytest.importorskip("rclpy")  # what steps are made of needs ROS messages
    write_bag(tmp_path / "bag", count=50)
    asked = Asked(task="arm_reach")
    done = actions.to_run(str(tmp_path / "bag"), asked, str(tmp_path / "steps"), "bag")
    assert (done["episodes"], done["steps"]) == (0, 0) and done["notes"].startswith("no step was recorded")
    (tmp_path / "bag" / "metadata.yaml").unlink()  # where the task stood
    with pytest.raises(ConfigError, match="does not say what was practised"):
        actions.overview(str(tmp_path / "bag"), NOTHING)
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"none")
    with pytest.raises(BagError, match="bag_0.mcap' is not an MCAP file"):
        actions.overview(str(tmp_path / "bag"), NOTHING)


def test_the_command_ends_with_its_exit_code(run):
    from sandlot import cli

    assert cli.run(["data", "list", run]) == 0
    assert cli.run(["data", "info", run, "--json"]) == 0
    assert cli.run(["data", "nonsense"]) == 2
    assert cli.run(["data", "list", "/nowhere"]) == 2


def test_what_is_not_installed_is_named_with_its_extra(run, tmp_path, monkeypatch):
    import sys

    from sandlot.robots import recording

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delattr(recording, "lerobot_export", raising=False)
    monkeypatch.delitem(sys.modules, "sandlot.robots.recording.lerobot_export", raising=False)
    with pytest.raises(ConfigError, match=r"needs the package 'pyarrow'.*pip install 'sandlot\[data\]'"):
        actions.export(run, NOTHING, str(tmp_path / "set"), "", "png")
