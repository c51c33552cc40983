"""Normalisation, convolution and pooling against PyTorch in f64, positions against NumPy: python3
transforms.py writes transforms.txt."""
import numpy
import torch
from torch.nn import functional

from table import Table

torch.set_default_dtype(torch.float64)
torch.manual_seed(4)
table = Table(__file__, torch, numpy)


def write(name, inputs, y, constants=()):
    """Inputs with gradients of Σ y∘u."""
    u = torch.randn_like(y)
    (y * u).sum().backward()
    for label, (tensor, turn) in inputs.items():
        table.add(name, label, turn(tensor.detach()))
        table.add(name, f"d:{label}", turn(tensor.grad))
    for label, tensor in {"u": u, "y": y.detach(), **dict(constants)}.items():
        table.add(name, label, tensor)


def same(tensor):
    return tensor


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


# ---- normalisation -------------------------------------------------------------------------------

def norms():
    x, gain, bias = leaf(3, 2, 5), leaf(5), leaf(5)
    write("rms_norm", {"x": (x, same), "gain": (gain, same)},
          functional.rms_norm(x, (5,), gain, eps=1e-3))
    write("layer_norm", {"x": (x2 := leaf(3, 2, 5), same), "gain": (g2 := leaf(5), same), "bias": (bias, same)},
          functional.layer_norm(x2, (5,), g2, bias, eps=1e-3))


def batch_norm(name, mask=None):
    """Three training steps, whose statistics run, then evaluation. PyTorch has no mask: it gets the
    positions that count."""
    norm = torch.nn.BatchNorm1d(3, eps=1e-3, momentum=0.2)
    norm.weight.data, norm.bias.data = torch.randn(3), torch.randn(3)
    xs = [leaf(4, 2, 3) for _ in range(4)]
    keep = torch.ones(4, 2, dtype=torch.bool) if mask is None else mask
    for i, x in enumerate(xs):
        norm.train(i < 3)
        y = torch.zeros(4, 2, 3)
        y[keep] = norm(x[keep])
        norm.weight.grad = norm.bias.grad = None
        inputs = {"x": (x, same)}
        u = torch.randn_like(y)
        (y * u).sum().backward()
        for label, tensor in {"x": x.detach(), "d:x": x.grad, "d:n.gain": norm.weight.grad,
                              "d:n.bias": norm.bias.grad, "u": u, "y": y.detach(),
                              "n.running_mean": norm.running_mean, "n.running_variance": norm.running_var,
                              "n.gain": norm.weight.detach(), "n.bias": norm.bias.detach()}.items():
            table.add(f"{name}_{i}", label, tensor)
        if mask is not None:
            table.add(f"{name}_{i}", "mask", mask.double())


norms()
batch_norm("batch_norm")
batch_norm("batch_norm_mask", torch.tensor([[1, 1], [1, 0], [1, 0], [0, 0]]).bool())

# ---- convolution and pooling: [steps, batch, features] here, [batch, features, steps] there -------

def conv(name, steps=7, in_=4, out=6, kernel=3, stride=1, dilation=1, groups=1, before=0, after=0):
    x, W, b = leaf(steps, 2, in_), leaf(out, in_ // groups, kernel), leaf(out)
    padded = functional.pad(x.permute(1, 2, 0), (before, after))
    y = functional.conv1d(padded, W, b, stride=stride, dilation=dilation, groups=groups)
    write(name, {"x": (x, same), "c.W": (W, lambda w: w.permute(2, 1, 0)), "c.b": (b, same)},
          y.permute(2, 0, 1))


conv("conv")
conv("conv_stride", stride=2)
conv("conv_stride_3_kernel_5", steps=11, kernel=5, stride=3)
conv("conv_dilation", dilation=2)
conv("conv_stride_dilation", steps=12, dilation=3, stride=2)
conv("conv_groups", groups=2)
conv("conv_one", kernel=1)
conv("conv_same", kernel=3, before=1, after=1)
conv("conv_same_even", kernel=4, before=1, after=2)
conv("conv_same_stride", kernel=5, stride=2, before=2, after=2)
conv("conv_causal", kernel=3, dilation=2, before=4)


def torch_same():
    x, W, b = leaf(7, 2, 4), leaf(6, 4, 4), leaf(6)
    y = functional.conv1d(x.permute(1, 2, 0), W, b, dilation=3, padding="same")
    write("conv_torch_same", {"x": (x, same), "c.W": (W, lambda w: w.permute(2, 1, 0)), "c.b": (b, same)},
          y.permute(2, 0, 1))


def pool(name, function, steps=7, **options):
    x = leaf(steps, 2, 3)
    write(name, {"x": (x, same)}, function(x.permute(1, 2, 0), **options).permute(2, 0, 1))


torch_same()
pool("max_pool", functional.max_pool1d, kernel_size=2)
pool("max_pool_stride", functional.max_pool1d, kernel_size=3, stride=2)
pool("max_pool_same", functional.max_pool1d, kernel_size=3, stride=1, padding=1)
pool("max_pool_dilation", functional.max_pool1d, kernel_size=3, stride=1, dilation=2)
pool("mean_pool", functional.avg_pool1d, kernel_size=2)
pool("mean_pool_stride", functional.avg_pool1d, kernel_size=3, stride=2)
pool("mean_pool_same", functional.avg_pool1d, kernel_size=3, stride=2, padding=1, count_include_pad=False)

# ---- positions -----------------------------------------------------------------------------------

def sinusoidal(name, steps, width, first=0, base=10000.0):
    y = numpy.zeros((steps, width))
    for t in range(steps):
        for j in range(width):
            angle = (first + t) / base ** ((j - j % 2) / width)
            y[t, j] = numpy.cos(angle) if j % 2 else numpy.sin(angle)
    table.add(name, "y", y)


def rotary(name, halves, first=0, base=10000.0):
    """Pairs as complex numbers, turned by e^(i·angle)."""
    x = numpy.random.default_rng(1).normal(size=(5, 2, 6))
    angle = (first + numpy.arange(5))[:, None] / base ** (2 * numpy.arange(3) / 6)
    turn = numpy.exp(1j * angle)[:, None, :]
    if halves:
        z = (x[..., :3] + 1j * x[..., 3:]) * turn
        y = numpy.concatenate([z.real, z.imag], axis=-1)
    else:
        z = (x[..., 0::2] + 1j * x[..., 1::2]) * turn
        y = numpy.stack([z.real, z.imag], axis=-1).reshape(x.shape)
    table.add(name, "x", x)
    table.add(name, "y", y)


sinusoidal("sinusoidal", 6, 4)
sinusoidal("sinusoidal_odd", 3, 5, first=100, base=50.0)
rotary("rotary", False)
rotary("rotary_halves", True, first=7, base=100.0)
table.write()
