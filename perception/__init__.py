"""Seeing: cameras, calibration, encoders and reward classifiers. Imports `learners` and nothing above it."""
