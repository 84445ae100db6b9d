"""The time of a training step of D-FuseSmileNet in plain PyTorch: the optional baseline of the speed benchmark.

PyTorch is needed here alone, and only when a function is called: pip install -e ".[baseline]".
"""

from __future__ import annotations

import importlib
import math
import statistics
import time
from typing import TYPE_CHECKING

from dfuse_jax.constants import NUM_DMARKERS, NUM_LANDMARKS
from dfuse_jax.runtime.errors import UserError

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 5e-4
_DTYPES = ("float32", "bfloat16")


def _torch():
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise UserError(
            f'torch cannot be imported ({error}). Install it: pip install -e ".[baseline]" in the checkout'
        ) from error


def build(device: str = "cpu", *, dropout: float = 0.1) -> torch.nn.Module:
    """The full-size model with the fusion "hadamard" and its published behaviour (variant "authors"), untrained.

    Args:
        device: its name in PyTorch, such as "cpu" or "cuda".
        dropout: rate everywhere.

    Returns:
        A module that takes clips [B, T, 478, 3], min-max scaled, and D-Markers [B, 225] to the logits [B] of
        "spontaneous"; its method `encode` gives the embeddings [B, 256]. Its state dict has the published names, so
        `dfuse_jax.models.from_torch(state_dict, "hadamard")` takes it. He initialisation.

    Raises:
        UserError: PyTorch is not installed.
    """
    _torch()
    from dfuse_jax.bench.torch.model import DFuseSmileNet

    return DFuseSmileNet(dropout).to(device)


def time_step(
    batch: int = 16,
    frames: int = 16,
    *,
    steps: int = 3,
    train: bool = True,
    dtype: str = "float32",
    seconds: float | None = None,
) -> dict:
    """Times training steps (forward, backward, AdamW) or evaluations, on the GPU if there is one, else on all cores.

    One step more comes first and is not counted: on a GPU of the same size, on the CPU of a single clip.

    Args:
        batch: clips in a step.
        frames: frames in a clip.
        steps: how many steps are timed, at most.
        train: a training step; False: a forward pass in evaluation, without gradients.
        dtype: "float32" (PyTorch's own defaults, which on a GPU means TF32 in convolutions), or "bfloat16": autocast.
        seconds: no further step begins after so many; at least one is timed. None: no limit.

    Returns:
        "ms" and "ms_median": the best and the median time of a step; "steps": how many were timed; "device": its
        name; "torch": PyTorch's version; "peak_bytes": the most memory that tensors took on the GPU at once, None on
        the CPU.

    Raises:
        UserError: PyTorch is not installed.
        ValueError: another dtype, or no step to time.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}; known: {', '.join(_DTYPES)}.")
    if min(batch, frames, steps) < 1:
        raise ValueError(f"batch, frames and steps must be at least 1, not {batch}, {frames} and {steps}.")
    torch = _torch()
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    torch.manual_seed(0)
    model = build(device).train(train)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0)
    clips = torch.rand(batch, frames, NUM_LANDMARKS, 3, device=device)
    dmarkers = torch.randn(batch, NUM_DMARKERS, device=device)
    labels = torch.randint(2, (batch,), device=device).float()

    def step(n: int) -> None:
        with torch.set_grad_enabled(train):
            with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
                logits = model(clips[:n], dmarkers[:n])
            if train:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[:n])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()

    step(batch if on_gpu else 1)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times, begin = [], time.perf_counter()
    while len(times) < steps and (not times or time.perf_counter() - begin < (seconds or math.inf)):
        start = time.perf_counter()
        step(batch)
        times.append(1e3 * (time.perf_counter() - start))
    return {
        "ms": min(times),
        "ms_median": statistics.median(times),
        "steps": len(times),
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
    }
