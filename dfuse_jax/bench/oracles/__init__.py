"""The D-Markers once more, written independently of the JAX code: what tests and benchmarks hold it against."""
