"""Objectives: the risk of a training set and its derivatives, one way of computing them a file."""
