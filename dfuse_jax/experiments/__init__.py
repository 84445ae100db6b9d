"""Whole experiments, from a recipe to a report: cross-validation, comparison of fusions, prediction."""
