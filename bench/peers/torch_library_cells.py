"""The cells of bench/library_cells.c in PyTorch's eager mode, parameters under the same names. What depends on the
inputs alone is one product over all steps, as people write these cells; the recurrence is a loop over steps."""
import math

import torch
from torch.nn import functional

HEADS, PLACES = 4, 16


def sigmoids(*values):
    return (torch.sigmoid(v) for v in values)


def gated(z, c):
    i, f, g, o = z.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def projected(p, x):
    return torch.addmm(p["b"], x.flatten(0, 1), p["W_x"]).unflatten(0, x.shape[:2])


def zeros(x, *widths):
    return [x.new_zeros(x.shape[1], *((w,) if isinstance(w, int) else w)) for w in widths]


def loop(step, from_x, *state):
    outputs = []
    for z in from_x:
        output, *state = step(z, *state)
        outputs.append(output)
    return torch.stack(outputs)


def peephole(p, x, H):
    p_i, p_f, p_o = p["W_c"].chunk(3)

    def step(z, h, c):
        i, f, g, o = (z + h @ p["W_h"]).chunk(4, -1)
        i, f = sigmoids(i + c * p_i, f + c * p_f)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + c * p_o) * torch.tanh(c)
        return h, h, c

    return loop(step, projected(p, x), *zeros(x, H, H))


def projected_lstm(p, x, H):
    def step(z, h, c):
        h, c = gated(z + h @ p["W_h"], c)
        h = h @ p["W_p"]
        return h, h, c

    return loop(step, projected(p, x), *zeros(x, H // 2, H))


def norm(x, gain, bias=None):
    return functional.layer_norm(x, x.shape[-1:], gain, bias)


def norm_lstm(p, x, H):
    from_x = norm(x @ p["W_x"], p["gain_x"], p["b"])

    def step(z, h, c):
        i, f, g, o = (z + norm(h @ p["W_h"], p["gain_h"])).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm(c, p["gain_c"], p["bias_c"]))
        return h, h, c

    return loop(step, from_x, *zeros(x, H, H))


def norm_gru(p, x, H):
    def parts(z, gain):
        return norm(z[..., :2 * H], gain[:2 * H]), norm(z[..., 2 * H:], gain[2 * H:])

    gates_x, new_x = parts(x @ p["W_x"], p["gain_x"])
    gates_x, new_x = gates_x + p["b"][:2 * H], new_x + p["b"][2 * H:]

    def step(z, h):
        gates_h, new_h = parts(h @ p["W_h"], p["gain_h"])
        r, keep = torch.sigmoid(z[0] + gates_h).chunk(2, -1)
        n = torch.tanh(z[1] + r * (new_h + p["b_h"]))
        h = n + keep * (h - n)
        return h, h

    return loop(step, zip(gates_x, new_x), *zeros(x, H))


def coupled(p, x, H):
    def step(z, h, c):
        i, g, o = (z + h @ p["W_h"]).chunk(3, -1)
        c = c + torch.sigmoid(i) * (torch.tanh(g) - c)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, h, c

    return loop(step, projected(p, x), *zeros(x, H, H))


def multiplicative(p, x, H):
    def step(z, h, c):
        z, m = z
        h, c = gated(z + (m * (h @ p["W_hm"])) @ p["W_h"], c)
        return h, h, c

    return loop(step, zip(projected(p, x), x @ p["W_xm"]), *zeros(x, H, H))


def phased(p, x, H, leak=0.001):
    t = torch.arange(len(x))[:, None]
    phase = torch.frac(torch.frac(t / p["period"] - p["shift"]) + 1)
    rise = 2 * phase / p["open"]
    time = torch.where(phase < p["open"] / 2, rise, torch.where(phase < p["open"], 2 - rise, leak * phase))

    def step(z, h, c):
        z, k = z
        h_new, c_new = gated(z + h @ p["W_h"], c)
        h, c = h + k * (h_new - h), c + k * (c_new - c)
        return h, h, c

    return loop(step, zip(projected(p, x), time), *zeros(x, H, H))


def slstm(p, x, H):
    def step(z, h, c, n, m):
        i, f, z, o = (z + h @ p["W_h"]).chunk(4, -1)
        f = functional.logsigmoid(f) + m
        m = torch.where(n == 0, i, torch.maximum(f, i))
        keep, add = torch.exp(f - m), torch.exp(i - m)
        c, n = keep * c + add * torch.tanh(z), keep * n + add
        h = torch.sigmoid(o) * c / n
        return h, h, c, n, m

    return loop(step, projected(p, x), *zeros(x, H, H, H, H))


def mlstm(p, x, H):
    d, B = H // HEADS, x.shape[1]
    q, k, v, o, i, f = projected(p, x).split([H] * 4 + [HEADS] * 2, -1)
    q, k, v = (a.unflatten(-1, (HEADS, d)) for a in (q, k / math.sqrt(d), v))
    o, f = torch.sigmoid(o), functional.logsigmoid(f)

    def step(z, C, n, m):
        q, k, v, o, i, f = z
        f = f + m
        m = torch.maximum(f, i)
        keep, add = torch.exp(f - m)[..., None], torch.exp(i - m)[..., None]
        C = keep[..., None] * C + (add * k)[..., None] * v[..., None, :]
        n = keep * n + add * k
        top = (q[..., None, :] @ C).squeeze(-2)
        below = torch.maximum((q * n).sum(-1).abs(), torch.exp(-m))
        return o * (top / below[..., None]).flatten(1), C, n, m

    return loop(step, zip(q, k, v, o, i, f), *zeros(x, (HEADS, d, d), (HEADS, d), HEADS))


def mgu(p, x, H):
    W_f, W_n = (w.contiguous() for w in p["W_h"].chunk(2, -1))

    def step(z, h):
        z_f, z_n = z.chunk(2, -1)
        f = torch.sigmoid(z_f + h @ W_f)
        h = h + f * (torch.tanh(z_n + (f * h) @ W_n) - h)
        return h, h

    return loop(step, projected(p, x), *zeros(x, H))


def indrnn(p, x, H):
    def step(z, h):
        h = torch.relu(z + h * p["w_h"])
        return h, h

    return loop(step, projected(p, x), *zeros(x, H))


def clockwork(p, x, H, modules=4):
    d = H // modules
    blocks = p["W_h"].split([H - m * d for m in range(modules)])
    W = torch.cat([functional.pad(block, (0, 0, m * d, 0)) for m, block in enumerate(blocks)], 1)
    period = (2 ** torch.arange(modules)).repeat_interleave(d)

    def step(z, h):
        z, t = z
        h = torch.where(t % period == 0, torch.tanh(z + h @ W), h)
        return h, h

    return loop(step, zip(projected(p, x), range(len(x))), *zeros(x, H))


def conv_lstm(p, x, H):
    T, B, I = x.shape
    I, H = I // PLACES, H // PLACES

    def kernel(W):
        return W.unflatten(0, (3, -1)).permute(2, 1, 0)

    lines = x.reshape(T * B, PLACES, I).transpose(1, 2)
    from_x = functional.conv1d(lines, kernel(p["W_x"]), p["b"], padding=1).unflatten(0, (T, B))
    W_h = kernel(p["W_h"])

    def step(z, h, c):
        i, f, g, o = (z + functional.conv1d(h, W_h, padding=1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, h, c

    return loop(step, from_x, *zeros(x, (H, PLACES), (H, PLACES)))


def tree_lstm(p, x, H):
    T, from_x = len(x), projected(p, x)
    children, h, c = [[] for _ in range(T)], [None] * T, [None] * T
    for k in range(T):
        i, f, g, o = from_x[k].chunk(4, -1)
        below = sum(h[j] for j in children[k]) if children[k] else x.new_zeros(x.shape[1], H)
        W_i, W_f, W_g, W_o = p["W_h"].chunk(4, -1)
        i, g, o = torch.sigmoid(i + below @ W_i), torch.tanh(g + below @ W_g), torch.sigmoid(o + below @ W_o)
        c[k] = i * g
        for j in children[k]:
            c[k] = c[k] + torch.sigmoid(f + h[j] @ W_f) * c[j]
        h[k] = o * torch.tanh(c[k])
        if k < T - 1:
            children[T - 1 - (T - 2 - k) // 2].append(k)
    return torch.stack(h)


def sru(p, x, H):
    z = x @ p["W_x"]
    u, f, r = z[..., :3 * H].chunk(3, -1)
    s = x if x.shape[-1] == H else z[..., 3 * H:]
    b_f, b_r = p["b"].chunk(2)
    f, r = sigmoids(f + b_f, r + b_r)

    def step(z, c):
        a, u = z
        c = a * c + u
        return c, c

    return r * loop(step, zip(f, (1 - f) * u), *zeros(x, H)) + (1 - r) * (math.sqrt(3) * s)


def qrnn(p, x, H):
    z, f, o = projected(p, torch.cat((functional.pad(x, (0, 0, 0, 0, 1, 0))[:-1], x), -1)).chunk(3, -1)
    f, o = sigmoids(f, o)

    def step(z, c):
        a, u = z
        c = a * c + u
        return c, c

    return o * loop(step, zip(f, (1 - f) * torch.tanh(z)), *zeros(x, H))


def mixed(x, H, keep, new):
    def step(z, h):
        a, b = z
        h = a * h + b
        return h, h

    return loop(step, zip(keep, new), *zeros(x, H))


def mingru(p, x, H):
    z, n = projected(p, x).chunk(2, -1)
    z = torch.sigmoid(z)
    return mixed(x, H, 1 - z, z * n)


def minlstm(p, x, H):
    f, i, n = projected(p, x).chunk(3, -1)
    f, i = sigmoids(f, i)
    return mixed(x, H, f / (f + i), i / (f + i) * n)


def lru(p, x, H):
    size = torch.exp(-torch.exp(p["nu"]))
    decay = torch.polar(size, torch.exp(p["theta"]))
    u = torch.sqrt(1 - size**2) * torch.complex(*(x @ p["B"]).chunk(2, -1))

    def step(u, h):
        h = decay * h + u
        return h, h

    h = loop(step, u, torch.zeros(x.shape[1], H, dtype=u.dtype))
    real, imaginary = p["C"].chunk(2)
    return h.real @ real - h.imag @ imaginary + x @ p["D"]


def shapes(count, **more):
    """W_x, W_h and b of `count` gates, and more: functions of inputs and hidden units."""
    def of(B, I, H):
        s = {"W_x": (I, count * H), "W_h": (H, count * H), "b": (count * H,)}
        s |= {name: shape(I, H) for name, shape in more.items()}
        return {name: shape for name, shape in s.items() if shape}

    return of


def none(I, H):
    return None


def vector(count):
    return lambda I, H: (count * H,)


CELLS = {
    "peephole-lstm": (peephole, shapes(4, W_c=vector(3))),
    "projected-lstm": (projected_lstm, shapes(4, W_h=lambda I, H: (H // 2, 4 * H), W_p=lambda I, H: (H, H // 2))),
    "norm-lstm": (norm_lstm, shapes(4, gain_x=vector(4), gain_h=vector(4), gain_c=vector(1), bias_c=vector(1))),
    "norm-gru": (norm_gru, shapes(3, b_h=vector(1), gain_x=vector(3), gain_h=vector(3))),
    "coupled-lstm": (coupled, shapes(3)),
    "multiplicative-lstm": (multiplicative, shapes(4, W_xm=lambda I, H: (I, H), W_hm=lambda I, H: (H, H))),
    "phased-lstm": (phased, shapes(4, period=vector(1), shift=vector(1), open=vector(1))),
    "slstm": (slstm, shapes(4)),
    "mlstm": (mlstm, shapes(4, W_h=none, W_x=lambda I, H: (I, 4 * H + 2 * HEADS), b=lambda I, H: (4 * H + 2 * HEADS,))),
    "mgu": (mgu, shapes(2)),
    "indrnn": (indrnn, shapes(1, W_h=none, w_h=vector(1))),
    "clockwork": (clockwork, shapes(1, W_h=lambda I, H: (H * 5 // 2, H // 4))),
    "conv-lstm": (conv_lstm, lambda B, I, H: {"W_x": (3 * I // PLACES, 4 * H // PLACES), "b": (4 * H // PLACES,),
                                              "W_h": (3 * H // PLACES, 4 * H // PLACES)}),
    "tree-lstm": (tree_lstm, shapes(4)),
    "sru": (sru, shapes(2, W_h=none, W_x=lambda I, H: (I, (3 if I == H else 4) * H))),
    "qrnn": (qrnn, shapes(3, W_h=none, W_x=lambda I, H: (2 * I, 3 * H))),
    "mingru": (mingru, shapes(2, W_h=none)),
    "minlstm": (minlstm, shapes(3, W_h=none)),
    "lru": (lru, shapes(1, W_x=none, W_h=none, b=none, nu=vector(1), theta=vector(1), B=lambda I, H: (I, 2 * H),
                        C=lambda I, H: (2 * H, H), D=lambda I, H: (I, H))),
}
