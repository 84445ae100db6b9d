"""The full-size Hadamard D-FuseSmileNet in plain PyTorch, as its authors trained it (variant "authors").

The optional baseline of the speed benchmark, written the way a PyTorch author would: neither tuned nor slowed down.
Modules bear the names of the published state dict. Only `torch_baseline` imports this module, since it needs PyTorch.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfuse_jax.bench.torch.curvenet import CurveNet, conv_norm

LANDMARKS, TOKENS, WIDTH = 478, 32, 256


class PreNorm(nn.Module):
    """Layer norm, then `fn`, then the residual."""

    def __init__(self, fn: nn.Module):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(WIDTH), fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(self.norm(x))


class Attention(nn.Module):
    """Self-attention in 4 heads along the last axis but one, with its positional code: [..., S, 256] -> the same."""

    def __init__(self, dropout: float, heads: int = 4, longest: int = 512):
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.to_qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.to_out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(dropout))
        angle = torch.arange(longest)[:, None] * torch.exp(torch.arange(0, WIDTH, 2) * (-math.log(10000.0) / WIDTH))
        code = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        self.register_buffer("code", code, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(x + self.code[: x.shape[-2]])
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).transpose(-4, -2).unbind(dim=-3)
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.to_out(x.transpose(-3, -2).flatten(-2))


class FeedForward(nn.Module):
    """The transformer's MLP."""

    def __init__(self, dropout: float):
        super().__init__()
        drop = nn.Dropout(dropout)
        self.net = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), drop, nn.Linear(2 * WIDTH, WIDTH), drop)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Transformer(nn.Module):
    """Pre-norm blocks: [B, T, tokens, 256], along frames and along tokens in turn, or [B, T, 256] -> the same."""

    def __init__(self, depth: int, dropout: float):
        super().__init__()
        blocks = [nn.Sequential(PreNorm(Attention(dropout)), PreNorm(FeedForward(dropout))) for _ in range(depth)]
        self.layers = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for number, block in enumerate(self.layers):
            along_frames = x.ndim == 4 and number % 2 == 0
            x = block(x.transpose(1, 2)).transpose(1, 2) if along_frames else block(x)
        return x


class DFuseSmileNet(nn.Module):
    """Clips [B, T, 478, 3] and D-Markers [B, 225] -> logits of "spontaneous" [B]."""

    def __init__(self, dropout: float = 0.1):
        super().__init__()
        self.encoder = CurveNet(dropout)
        self.downsample = conv_norm(1, LANDMARKS, TOKENS)
        self.transformer = Transformer(6, dropout)
        self.time = Transformer(3, dropout)
        self.dmarker_proj = nn.Linear(225, WIDTH)
        self.x_proj = nn.Linear(WIDTH, WIDTH)
        refine = (nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.fusion_mlp = nn.Sequential(*refine)
        self.smile_head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))
        self.apply(_he)

    def encode(self, clips: Tensor) -> Tensor:
        """The embedding H of each clip: [B, T, 478, 3] -> [B, 256]."""
        x = self.encoder(clips.flatten(0, 1).transpose(1, 2))  # [frames, 256, 478]
        x = self.downsample(x.transpose(1, 2)).unflatten(0, clips.shape[:2])  # [B, T, tokens, 256]
        return self.time(self.transformer(x).mean(dim=2)).mean(dim=1)

    def forward(self, clips: Tensor, dmarkers: Tensor) -> Tensor:
        fused = self.x_proj(self.encode(clips)) * self.dmarker_proj(dmarkers)
        return self.smile_head(self.fusion_mlp(fused))[:, 0]


def _he(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
