"""From latitude and longitude to metres on the plane that touches the earth (WGS84) at a course's origin."""

import math

import numpy as np

RADIUS_M = 6_378_137.0
FLATTENING = 1.0 / 298.257223563
_E2 = FLATTENING * (2.0 - FLATTENING)


def earth_m(latitude_deg: float, longitude_deg: float, height_m: float = 0.0) -> np.ndarray:
    """A place in the earth's own frame [3]: z through the north pole, x through latitude and longitude 0."""
    lat, lon = math.radians(latitude_deg), math.radians(longitude_deg)
    across_m = RADIUS_M / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2)
    flat_m = (across_m + height_m) * math.cos(lat)
    up_m = (across_m * (1.0 - _E2) + height_m) * math.sin(lat)
    return np.array([flat_m * math.cos(lon), flat_m * math.sin(lon), up_m])


def local_m(
    latitude_deg: float, longitude_deg: float, origin_deg: tuple[float, float], height_m: float = 0.0
) -> np.ndarray:
    """Metres east and north [2] of an origin (latitude, longitude) at the same height; good for some km.

    ValueError for what is no place: a receiver without a fix says NaN, or 0.
    """
    if not (abs(latitude_deg) <= 90.0 and abs(longitude_deg) <= 180.0) or (
        latitude_deg == longitude_deg == 0.0
    ):
        raise ValueError(
            f"latitude {latitude_deg}, longitude {longitude_deg}: no place; the receiver has no fix"
        )
    lat, lon = map(math.radians, origin_deg)
    away = earth_m(latitude_deg, longitude_deg, height_m) - earth_m(*origin_deg, height_m)
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    north = np.array([-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)])
    return np.array([east @ away, north @ away])
