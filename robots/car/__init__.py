"""The RC car: so far its courses, and the laps driven on them. Nothing here knows ROS or a simulator."""
