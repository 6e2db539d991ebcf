import numpy as np
import pytest

from sandlot.robots.car.course import Course
from sandlot.robots.car.errors import CourseError
from sandlot.robots.car.lap_file import ODOMETRY, read_lap
from sandlot.robots.car.lap_steps import write_lap_steps
from sandlot.robots.recording.bag import Bag, BagWriter, typestore
from sandlot.robots.recording.bag_metadata import Recorded


def odometry(store, x, y):
    """The bytes of an Odometry message at a place."""
    kinds = store.types
    zero = kinds["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    pose = kinds["geometry_msgs/msg/Pose"](
        kinds["geometry_msgs/msg/Point"](x, y, 0.0), kinds["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    )
    twist = kinds["geometry_msgs/msg/Twist"](zero, zero)
    header = kinds["std_msgs/msg/Header"](kinds["builtin_interfaces/msg/Time"](0, 0), "map")
    unknown = np.zeros(36)
    message = kinds[ODOMETRY](
        header,
        "base_link",
        kinds["geometry_msgs/msg/PoseWithCovariance"](pose, unknown),
        kinds["geometry_msgs/msg/TwistWithCovariance"](twist, unknown),
    )
    return bytes(store.serialize_cdr(message, ODOMETRY))


def bag(folder, topics, places):
    store = typestore()
    writer = BagWriter(folder, [Recorded(name, ODOMETRY, "sensor") for name in topics], custom={})
    for k, (x, y) in enumerate(places):
        for name in topics:
            writer.write(name, k + 1, odometry(store, x, y))
    writer.close()


def test_steps_need_what_the_car_sensed_and_not_only_where_it_was(tmp_path):
    bag(tmp_path / "lap", ["/car/odom"], [(0.0, 1.0), (0.5, 1.5), (2.0, -1.0)])
    course = Course(name="lap", radius_m=0.5, checkpoints_m=((0.0, 0.0), (2.0, 0.0), (1.0, 2.0)))
    with pytest.raises(CourseError, match="has no messages of imu, wheels, battery, camera/bumper/image_raw"):
        write_lap_steps(Bag(tmp_path / "lap"), course, tmp_path / "demos", cameras=["bumper"])
    assert not (tmp_path / "demos").exists()


def test_positions_of_a_bag_are_those_of_its_odometry(tmp_path):
    bag(tmp_path / "lap", ["/car/odom"], [(0.0, 1.0), (0.5, 1.5), (2.0, -1.0)])
    np.testing.assert_allclose(read_lap(tmp_path / "lap"), [[0.0, 1.0], [0.5, 1.5], [2.0, -1.0]])


def test_two_odometries_are_one_too_many(tmp_path):
    bag(tmp_path / "lap", ["/car/odom", "/other/odom"], [(0.0, 1.0)])
    with pytest.raises(CourseError, match="2 topics with odometry"):
        read_lap(tmp_path / "lap")


def test_positions_of_a_table(tmp_path):
    file = tmp_path / "lap.csv"
    file.write_text("x_m,y_m,note\n0.0,1.5,start\n-2,3e-1,\n")
    np.testing.assert_allclose(read_lap(file), [[0.0, 1.5], [-2.0, 0.3]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x_m,y_m\n1,2\n3,here\n", "line 3"),
        ("x,y\n1,2\n", "columns x_m, y_m"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_table_that_makes_no_sense_is_named_with_its_line(tmp_path, text, words):
    file = tmp_path / "lap.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CourseError, match=words):
        read_lap(file)


def test_a_lap_that_is_not_there_says_what_to_give(tmp_path):
    with pytest.raises(CourseError, match=r"does not exist; give a bag's folder or a \.csv"):
        read_lap(tmp_path / "lap")
