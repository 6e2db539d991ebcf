"""Cameras on ROS 2: a node that publishes one camera, and a topic as the source of a camera.

One process a camera, so that neither an arm's driver nor another camera waits when one of them hangs. What a
camera is lives in `sandlot.perception.cameras`.
"""
