"""Precision, recall, calibration and the chosen threshold, by numbers worked by hand."""

import numpy as np
import pytest

from sandlot.perception.classifier import measure

P = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.2, 0.1, 0.05])
TRUTH = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)


def test_precision_and_recall_by_hand():
    assert measure.quality(P, TRUTH, 0.8) == (0.8, 1.0, 0.75)
    assert measure.quality(P, TRUTH, 0.6) == (0.6, 0.8, 1.0)


def test_nothing_found_has_no_precision():
    found = measure.quality(P, TRUTH, 0.99)
    assert np.isnan(found.precision)
    assert found.recall == 0.0


def test_the_threshold_lies_between_the_last_frame_it_finds_and_the_next():
    threshold, good = measure.choose_threshold(P, TRUTH, 0.99)
    assert good
    assert measure.log_odds(threshold) == pytest.approx((measure.log_odds(0.8) + measure.log_odds(0.7)) / 2)
    assert measure.quality(P, TRUTH, threshold) == (threshold, 1.0, 0.75)


def test_of_two_that_find_enough_the_higher_is_trusted():
    truth = np.repeat([True, False], 100)
    p = np.concatenate([np.linspace(0.99, 0.8, 100), np.full(100, 0.01)])
    threshold, good = measure.choose_threshold(p, truth, 0.99)
    assert good
    assert measure.quality(p, truth, threshold).recall == pytest.approx(0.99)


def test_a_precision_that_nothing_reaches_is_said():
    truth = np.array([0, 1, 1, 0, 1, 0, 0, 0], bool)
    threshold, good = measure.choose_threshold(P, truth, 0.99)
    assert not good
    assert measure.quality(P, truth, threshold).precision == pytest.approx(2 / 3)


def test_a_success_that_is_less_likely_than_not_is_none():
    threshold, good = measure.choose_threshold(np.array([0.3, 0.01]), np.array([True, False]), 0.99)
    assert threshold == 0.5
    assert good


def test_temperature_undoes_a_scale():
    rng = np.random.default_rng(0)
    odds = rng.normal(0.0, 2.0, 4000)
    labels = (rng.random(4000) < measure.share(odds)).astype(int)
    logits = np.stack([np.zeros(4000), 3.0 * odds], 1)
    assert measure.fit_temperature(logits, labels) == pytest.approx(3.0, rel=0.1)


def test_calibration_error_by_hand():
    p = np.array([0.95, 0.95, 0.95, 0.95, 0.25, 0.25])
    truth = np.array([1, 1, 1, 0, 0, 1], bool)
    found = measure.reliability(p, truth)
    np.testing.assert_allclose(found.said, [0.25, 0.95])
    np.testing.assert_allclose(found.came, [0.5, 0.75])
    assert found.error == pytest.approx((2 * 0.25 + 4 * 0.2) / 6)


def test_the_curve_ends_with_everything_found():
    recall, precision = measure.curve(P, TRUTH)
    np.testing.assert_allclose(recall, [0.25, 0.5, 0.75, 0.75, 1, 1, 1, 1])
    np.testing.assert_allclose(precision, [1, 1, 1, 0.75, 0.8, 4 / 6, 4 / 7, 0.5])


def test_figures_say_none_where_there_is_nothing_to_count():
    found = measure.figures(np.array([0.1]), np.array([False]), np.array([True]), 0.5)
    assert found["precision"] is None
    assert found["recall"] is None
    assert found["false_alarms_close_to_success"] == 0
