"""Rewards from camera frames: a data set of labelled frames, a small network, and what it is trusted with.

`Classifier` is the file and its word in numpy; `dataset` keeps labelled frames; `train` learns and measures
on held-out episodes; `judge` turns probabilities into a success that flicker, a broken camera or a broken
classifier cannot invent. What an env does with all this is `sandlot.perception.reward_env`.
"""

from sandlot.perception.classifier.model import Classifier, ClassifierSpec

__all__ = ["Classifier", "ClassifierSpec"]
