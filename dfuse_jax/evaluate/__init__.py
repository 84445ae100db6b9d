"""Evaluation: what each protocol takes from a run, metrics, tests between systems, the paper's values. No words."""
