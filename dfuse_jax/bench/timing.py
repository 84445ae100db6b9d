"""How long a call takes, and what a device does at best."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def best(call: Callable[[], object], seconds: float) -> float:
    """Returns the seconds that one call takes at best, calling for about so long."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def bandwidth(device: jax.Device, seconds: float) -> float:
    """Returns the bytes a second that the device moves when it adds 1 to a large array."""
    x = jax.device_put(np.zeros(2**24 if device.platform == "cpu" else 2**28, np.float32), device)
    add = jax.jit(lambda x: x + 1)
    add(x).block_until_ready()
    return 2 * x.nbytes / best(lambda: add(x).block_until_ready(), seconds)


def peaks(device: jax.Device, seconds: float) -> dict[str, float]:
    """Returns what the device does at best: operations a second of a matrix product by precision, bytes a second."""
    size = 2048 if device.platform == "cpu" else 8192
    rates = {"bytes": bandwidth(device, seconds)}
    for dtype in ("float32", "bfloat16"):
        a = jax.device_put(jnp.ones((size, size), dtype), device)
        product = jax.jit(lambda a: a @ a)
        product(a).block_until_ready()
        rates[dtype] = 2.0 * size**3 / best(lambda product=product, a=a: product(a).block_until_ready(), seconds)
    return rates
