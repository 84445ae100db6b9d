"""Fused kernels for GPUs, in Pallas: each computes what a plain function computes, without what lies between in memory.

A network takes them where its field `kernels` is "fused". The plain functions stay a CPU's path, and what the tests
hold the kernels against. On a CPU the kernels are interpreted, which is slow, and good for tests alone.
"""

KERNELS = ("plain", "fused")
