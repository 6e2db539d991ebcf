"""MuJoCo: models built by code, worlds, rendering and randomisation. One file a robot."""
