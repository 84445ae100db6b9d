"""Benchmarks: how fast it is, beside what the machine could do, plain NumPy and plain PyTorch."""
