"""Latitude and longitude to metres, against the earth's radii of curvature worked by hand."""

import math

import pytest

from sandlot.robots.car.geodetic import local_m


def test_at_the_equator_by_hand():
    # 1e-4 deg = 1.7453293e-6 rad; east: a = 6378137 m; north: a (1 - e^2) = 6335439.327 m
    assert local_m(0.0, 10.0001, (0.0, 10.0)) == pytest.approx([11.131949, 0.0], abs=1e-4)
    assert local_m(0.0001, 10.0, (0.0, 10.0)) == pytest.approx([0.0, 11.057428], abs=1e-4)


def test_at_45_degrees_by_hand():
    # N = 6388838.290 m, N cos 45 = 4517590.879 m; M = 6367381.816 m
    assert local_m(45.0, -120.9999, (45.0, -121.0)) == pytest.approx([7.884683, 0.0], abs=1e-4)
    assert local_m(44.9999, -121.0, (45.0, -121.0)) == pytest.approx([0.0, -11.113178], abs=1e-4)


def test_higher_up_it_is_further():
    low, high = (local_m(45.0, 7.001, (45.0, 7.0), height)[0] for height in (0.0, 2000.0))
    assert high / low == pytest.approx(1 + 2000.0 / 6388838.29, rel=1e-7)


def test_over_the_date_line():
    assert local_m(0.0, -179.9999, (0.0, 179.9999)) == pytest.approx([22.2639, 0.0], abs=1e-3)


@pytest.mark.parametrize("place", [(math.nan, 0.0), (91.0, 0.0), (0.0, 181.0), (0.0, 0.0)])
def test_what_is_no_place_is_refused(place):
    with pytest.raises(ValueError, match="no place; the receiver has no fix"):
        local_m(*place, (45.0, 7.0))
