"""What a camera's node publishes beside its frames (`robots.arm.topics.image`)."""

from sandlot.robots.topics import Topic


def camera_info(camera: str, hz: float = 30.0) -> Topic:
    """The camera's intrinsics and crop, with the stamp of each frame."""
    return Topic(f"camera/{camera}/camera_info", "sensor_msgs/msg/CameraInfo", "image", hz)
