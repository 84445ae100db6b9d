"""Independent implementations of the D-Markers, with which tests and benchmarks compare the JAX code."""
