"""The point encoder of `torch_model`: CurveNet on the landmarks of one frame, in plain PyTorch.

M counts frames, N points, K neighbours, C curves, L steps of a curve; channels stand second, as in a convolution.
The walk is the published one (variant "authors").
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

NEIGHBOURS, CURVES, STEPS = 20, 100, 5
BLOCKS = {"cic11": (32, 32, 2), "cic12": (32, 64, 4), "cic21": (64, 128, 2), "cic22": (128, 256, 4)}
_CONV = {1: nn.Conv1d, 2: nn.Conv2d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}


def conv(axes: int, inputs: int, outputs: int) -> nn.Module:
    """A linear map of the channels, without a bias."""
    return _CONV[axes](inputs, outputs, 1, bias=False)


def conv_norm(axes: int, inputs: int, outputs: int, *activation: nn.Module) -> nn.Sequential:
    """The same, then batch norm, then the activation if there is one."""
    return nn.Sequential(conv(axes, inputs, outputs), _NORM[axes](outputs), *activation)


def leaky_relu(x: Tensor) -> Tensor:
    """With the slope of all the encoder's."""
    return functional.leaky_relu(x, 0.2)


@torch.no_grad()
def nearest(points: Tensor, k: int) -> Tensor:
    """The k nearest points of every point, itself first: [M, 3, N] -> [M, N, k] indices."""
    points = points.transpose(1, 2)
    # Exact differences: by matrix products a point would not always be its own nearest in float32.
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.topk(k, largest=False)[1]


def gather(x: Tensor, index: Tensor) -> Tensor:
    """Columns of each frame's x [M, c, N] by index [M, ...] -> [M, c, ...]."""
    flat = index.flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return x.gather(2, flat).unflatten(2, index.shape[1:])


def edges(points: Tensor, index: Tensor) -> Tensor:
    """[p_i, p_j, p_j - p_i] for every point and neighbour: [M, 9, N, K]."""
    p_j = gather(points, index)
    p_i = points[..., None].expand_as(p_j)
    return torch.cat([p_i, p_j, p_j - p_i], dim=1)


class Entry(nn.Module):
    """The first local aggregation, of the points alone: [M, 3, N] -> [M, width, N]."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(conv_norm(2, 9, width, nn.LeakyReLU(0.2)))

    def forward(self, points: Tensor) -> Tensor:
        return self.mlp(edges(points, nearest(points, NEIGHBOURS))).amax(dim=-1)


class LPFA(nn.Module):
    """Local point feature aggregation: x [M, c, N] -> [M, c, N]."""

    def __init__(self, width: int):
        super().__init__()
        self.xyz2feature = conv_norm(2, 9, width)
        self.mlp = nn.Sequential(conv_norm(2, width, width, nn.LeakyReLU(0.2)))

    def forward(self, x: Tensor, points: Tensor, index: Tensor) -> Tensor:
        x = gather(x, index) - x[..., None]
        return self.mlp(leaky_relu(x + self.xyz2feature(edges(points, index)))).mean(dim=-1)


class Walk(nn.Module):
    """Walks a curve from each start: x [M, c, N], neighbours [M, N, K], starts [M, C] -> [M, c, C, L]."""

    def __init__(self, width: int):
        super().__init__()
        self.agent_mlp = conv_norm(2, 2 * width, 1)
        self.momentum_mlp = conv_norm(1, 2 * width, 2)

    def forward(self, x: Tensor, index: Tensor, at: Tensor) -> Tensor:
        current = descriptor = gather(x, at)  # [M, c, C]
        curve = []
        for step in range(STEPS):
            if step > 0:
                weights = self.momentum_mlp(torch.cat([current, descriptor], dim=1)).softmax(dim=1)
                # As published: [2, C] is read in memory order as [C, 2].
                mine, past = weights.reshape(len(x), 1, CURVES, 2).unbind(dim=-1)
                descriptor = mine * current + past * descriptor
            around = gather(index.transpose(1, 2), at).transpose(1, 2)  # [M, C, K]
            ahead = gather(x, around)  # [M, c, C, K]
            pairs = torch.cat([ahead, descriptor[..., None].expand_as(ahead)], dim=1)
            scores = self.agent_mlp(pairs)[:, 0]
            if step > 0:
                with torch.no_grad():
                    cosine = functional.cosine_similarity(
                        (current - descriptor)[..., None], ahead - current[..., None], dim=1
                    )
                    straightness = (1 + cosine).clamp(0, 1)
                scores = scores * straightness
            soft = scores.softmax(dim=-1)
            best = soft.argmax(dim=-1, keepdim=True)
            hard = torch.zeros_like(soft).scatter_(-1, best, 1.0)
            pick = hard + soft - soft.detach()
            current = (ahead * pick[:, None]).sum(dim=-1)
            at = around.gather(-1, best)[..., 0]
            curve.append(current)
        return torch.stack(curve, dim=-1)


class CurveGrouping(nn.Module):
    """Curves from the points with the largest attention: x [M, c, N] -> [M, c, C, L]."""

    def __init__(self, width: int):
        super().__init__()
        self.att = conv(1, width, 1)
        self.walk = Walk(width)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        attention = self.att(x).sigmoid()
        starts = attention[:, 0].topk(CURVES)[1]
        return self.walk(x * attention, index, starts)


class CurveAggregation(nn.Module):
    """Lets every point attend to the curves and to their steps: x [M, c, N], curves [M, c, C, L] -> [M, c, N]."""

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        self.conva, self.convb, self.convc = (conv(1, width, half) for _ in range(3))
        self.convn, self.convl = (conv(1, half, half) for _ in range(2))
        self.convd = conv_norm(1, width, width)
        self.line_conv_att = conv(2, width, 1)

    def forward(self, x: Tensor, curves: Tensor) -> Tensor:
        logits = self.line_conv_att(curves)
        of_curves = self.conva((curves * logits.softmax(dim=-1)).sum(dim=-1))  # [M, c / 2, C]
        of_steps = self.convb((curves * logits.softmax(dim=-2)).sum(dim=-2))  # [M, c / 2, L]
        query = self.convc(x).transpose(1, 2)
        by_curve = (query @ of_curves).softmax(dim=-1) @ self.convn(of_curves).transpose(1, 2)
        by_step = (query @ of_steps).softmax(dim=-1) @ self.convl(of_steps).transpose(1, 2)
        found = torch.cat([by_curve, by_step], dim=-1).transpose(1, 2)
        return leaky_relu(x + self.convd(found))


class CIC(nn.Module):
    """Curve intervention convolution: x [M, inputs, N], points [M, 3, N] -> [M, outputs, N]."""

    def __init__(self, inputs: int, outputs: int, bottleneck: int):
        super().__init__()
        width = inputs // bottleneck
        self.conv1 = conv_norm(1, inputs, width, nn.LeakyReLU(0.2))
        self.curvegrouping = CurveGrouping(width)
        self.curveaggregation = CurveAggregation(width)
        self.lpfa = LPFA(width)
        self.conv2 = conv_norm(1, width, outputs)
        self.shortcut = conv_norm(1, inputs, outputs) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, points: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        index = nearest(points, NEIGHBOURS + 1)
        x = self.conv1(x)
        x = self.curveaggregation(x, self.curvegrouping(x, index[..., 1:]))
        x = self.lpfa(x, points, index[..., :-1])
        return leaky_relu(self.conv2(x) + shortcut)


class CurveNet(nn.Module):
    """The point encoder: [M, 3, N] -> [M, 256, N]."""

    def __init__(self, dropout: float):
        super().__init__()
        self.lpfa = Entry(32)
        for name, sizes in BLOCKS.items():
            self.add_module(name, CIC(*sizes))
        self.conv0 = conv_norm(1, 256, 256, nn.ReLU(), nn.Dropout(dropout))

    def forward(self, points: Tensor) -> Tensor:
        x = self.lpfa(points)
        for name in BLOCKS:
            x = self.get_submodule(name)(x, points)
        return self.conv0(x)
