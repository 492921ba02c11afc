"""pix2pix's update in PyTorch, as in its public ports, to compare with pixd's update.

The networks, losses and settings are those of Isola et al. 2017 (arXiv:1611.07004). The U-Net has
batch norm, which at batch 1 equals pixd's norm of each image, and no norm at 1x1. The PatchGAN is
70 x 70. The losses are binary cross-entropy and L1 times 100. Adam has 2e-4, 0.5, 0.999. The
discriminator is updated first, then the generator through the updated discriminator, from one pass
of the generator.

PyTorch is at its best here: channels last, its fused Adam, denormals flushed, a thread for each
core. The program makes steps on tensors that are ready and reports each step, until it is killed.

Usage: PYTHON_WITH_TORCH pix2pix_torch.py [--ngf 64] [--size 256] [--batch 1] [--precision float32]
"""

import argparse
import contextlib
import json
import os

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits


class Level(nn.Module):
    """One level of the U-Net: down, all inner levels, up; the result is joined to the input."""

    def __init__(self, outer: int, inner: int, below: nn.Module | None, *, dropout: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, 2, 1, bias=False),
        ]
        if below is not None:
            layers += [nn.BatchNorm2d(inner), below]
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(inner if below is None else 2 * inner, outer, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outer),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.layers(x)], 1)


def generator(ngf: int, size: int) -> nn.Module:
    depth = size.bit_length() - 1
    widths = [ngf * min(2**level, 8) for level in range(depth)]
    below: nn.Module | None = None
    for level in reversed(range(1, depth)):
        below = Level(
            widths[level - 1], widths[level], below, dropout=depth - 4 <= level < depth - 1
        )
    assert below is not None
    return nn.Sequential(
        nn.Conv2d(3, ngf, 4, 2, 1, bias=False),
        below,
        nn.ReLU(),
        nn.ConvTranspose2d(2 * ngf, 3, 4, 2, 1),
        nn.Tanh(),
    )


def discriminator(ndf: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(6, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
    for width, stride in ((1, 2), (2, 2), (4, 1)):
        layers += [
            nn.Conv2d(width * ndf, 2 * width * ndf, 4, stride, 1, bias=False),
            nn.BatchNorm2d(2 * width * ndf),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers, nn.Conv2d(8 * ndf, 1, 4, 1, 1))


def start(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)


def cross_entropy(logits: torch.Tensor, target: float) -> torch.Tensor:
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


class Update:
    def __init__(self, args: argparse.Namespace) -> None:
        models = generator(args.ngf, args.size), discriminator(args.ngf)
        self.gen, self.disc = (
            model.apply(start).to(memory_format=torch.channels_last) for model in models
        )
        self.gen_adam, self.disc_adam = (
            torch.optim.Adam(model.parameters(), 2e-4, (0.5, 0.999), fused=True)
            for model in (self.gen, self.disc)
        )
        self.cast = (
            (lambda: torch.autocast("cpu", torch.bfloat16))
            if args.precision == "bfloat16"
            else contextlib.nullcontext
        )

    def __call__(self, source: torch.Tensor, target: torch.Tensor) -> float:
        with self.cast():
            made = self.gen(source)
        self.disc.requires_grad_(True)
        self.disc_adam.zero_grad()
        with self.cast():
            on_made = self.disc(torch.cat([source, made.detach()], 1))
            on_real = self.disc(torch.cat([source, target], 1))
        (0.5 * (cross_entropy(on_made, 0.0) + cross_entropy(on_real, 1.0))).backward()
        self.disc_adam.step()
        self.disc.requires_grad_(False)
        self.gen_adam.zero_grad()
        with self.cast():
            judged = self.disc(torch.cat([source, made], 1))
        l1 = (target - made.float()).abs().mean()
        (cross_entropy(judged, 1.0) + 100 * l1).backward()
        self.gen_adam.step()
        return l1.item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_flush_denormal(True)
    update = Update(args)
    source = torch.rand(args.batch, 3, args.size, args.size) * 2 - 1
    source = source.to(memory_format=torch.channels_last)
    target = source.flip(3)
    step = 0
    while True:
        l1 = update(source, target)
        step += 1
        print(json.dumps({"event": "progress", "step": step, "l1": l1}), flush=True)


if __name__ == "__main__":
    main()
