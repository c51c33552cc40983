"""Cells and unrolling against PyTorch in f64: python3 cells.py writes cells.txt.

A case is one network run over x. Its loss is sum(outputs * u) + sum(state_k * v_k), so that every
gradient is exercised. Rows: the inputs (x, initialK, u, vK, lengths, resets, parameters under reel's
names and in reel's layout), the results (outputs, stateK, statesK) and gradients (d:NAME). What
torch.nn has is run through torch.nn; the rest is written here, a row at a time, without masks.
"""
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from table import Table

STEPS, BATCH, IN, HIDDEN = 6, 4, 2, 3
torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
table = Table(__file__, torch)


def leaf(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def write_case(name, inputs, parameters, results, constants=None):
    """inputs and parameters: leaves by name; results: [outputs, states...] or with a states list."""
    outputs, final, every = results
    u = torch.randn_like(outputs)
    v = [torch.randn_like(s) for s in final]
    loss = (outputs * u).sum() + sum((s * w).sum() for s, w in zip(final, v))
    loss.backward()
    for label, tensor in (constants or {}).items():
        table.add(name, label, torch.as_tensor(tensor))
    table.add(name, "u", u)
    table.add(name, "outputs", outputs.detach())
    for k, (s, w) in enumerate(zip(final, v)):
        table.add(name, f"v{k}", w)
        table.add(name, f"state{k}", s.detach())
    for k, s in enumerate(every or []):
        table.add(name, f"states{k}", s.detach())
    leaves = {k: (v, v.grad) for k, v in inputs.items()}
    for label, (value, gradient) in (leaves | parameters()).items():
        table.add(name, label, value.detach())
        table.add(name, f"d:{label}", torch.zeros_like(value) if gradient is None else gradient)


# ---- torch.nn ------------------------------------------------------------------------------------


def converted(module, prefix, suffix=""):
    """torch.nn's parameters and gradients under reel's names, transposed, biases joined."""

    def pair(name):
        p = getattr(module, name + suffix)
        return p, p.grad

    (w_x, dw_x), (w_h, dw_h) = pair("weight_ih_l0"), pair("weight_hh_l0")
    (b_x, db_x), (b_h, db_h) = pair("bias_ih_l0"), pair("bias_hh_l0")
    rows = {f"{prefix}.W_x": (w_x.T, dw_x.T), f"{prefix}.W_h": (w_h.T, dw_h.T)}
    if isinstance(module, torch.nn.GRU):
        n = 2 * HIDDEN
        rows[f"{prefix}.b"] = torch.cat([b_x[:n] + b_h[:n], b_x[n:]]), db_x
        rows[f"{prefix}.b_h"] = b_h[n:], db_h[n:]
    else:
        rows[f"{prefix}.b"] = b_x + b_h, db_x
    if getattr(module, "proj_size", 0):
        w_p, dw_p = pair("weight_hr_l0")
        rows[f"{prefix}.W_p"] = w_p.T, dw_p.T
    return rows


def new_inputs(widths, steps=STEPS, batch=BATCH):
    inputs = {"x": leaf(steps, batch, IN)}
    for k, width in enumerate(widths):
        inputs[f"initial{k}"] = leaf(batch, width)
    return inputs


def states_argument(inputs, lstm):
    initial = [v[None] for k, v in inputs.items() if k.startswith("initial")]
    return tuple(initial) if lstm else initial[0]


def run_module(name, module, widths, flip=False):
    inputs = new_inputs(widths)
    lstm = isinstance(module, torch.nn.LSTM)
    x = inputs["x"].flip(0) if flip else inputs["x"]
    outputs, final = module(x, states_argument(inputs, lstm))
    final = [s[0] for s in (final if lstm else [final])]
    write_case(name, inputs, lambda: converted(module, "cell"),
               (outputs.flip(0) if flip else outputs, final, None))


def run_packed(name, module, widths, lengths):
    inputs = new_inputs(widths)
    lstm = isinstance(module, torch.nn.LSTM)
    packed = pack_padded_sequence(inputs["x"], torch.tensor(lengths), enforce_sorted=False)
    outputs, final = module(packed, states_argument(inputs, lstm))
    outputs, _ = pad_packed_sequence(outputs, total_length=STEPS)
    final = [s[0] for s in (final if lstm else [final])]
    write_case(name, inputs, lambda: converted(module, "cell"), (outputs, final, None),
               {"lengths": lengths})


def run_bidirectional(name, lengths):
    module = torch.nn.LSTM(IN, HIDDEN, bidirectional=True)
    inputs = {"x": leaf(STEPS, BATCH, IN)}
    packed = pack_padded_sequence(inputs["x"], torch.tensor(lengths), enforce_sorted=False)
    outputs, (h, c) = module(packed)
    outputs, _ = pad_packed_sequence(outputs, total_length=STEPS)
    parameters = lambda: converted(module, "forward") | converted(module, "backward", "_reverse")
    write_case(name, inputs, parameters, (outputs, [h[0], c[0], h[1], c[1]], None),
               {"lengths": lengths})


run_module("rnn_tanh", torch.nn.RNN(IN, HIDDEN), [HIDDEN])
run_module("rnn_relu", torch.nn.RNN(IN, HIDDEN, nonlinearity="relu"), [HIDDEN])
run_module("lstm", torch.nn.LSTM(IN, HIDDEN), [HIDDEN, HIDDEN])
run_module("lstm_projection", torch.nn.LSTM(IN, HIDDEN, proj_size=2), [2, HIDDEN])
run_module("gru_reset_after", torch.nn.GRU(IN, HIDDEN), [HIDDEN])
run_module("lstm_flipped", torch.nn.LSTM(IN, HIDDEN), [HIDDEN, HIDDEN], flip=True)
run_packed("lstm_packed", torch.nn.LSTM(IN, HIDDEN), [HIDDEN, HIDDEN], [3, 6, 1, 5])
run_packed("gru_packed", torch.nn.GRU(IN, HIDDEN), [HIDDEN], [2, 2, 6, 4])
run_packed("rnn_packed", torch.nn.RNN(IN, HIDDEN), [HIDDEN], [1, 4, 3, 2])
run_bidirectional("lstm_bidirectional", [3, 6, 1, 5])


# ---- written out ---------------------------------------------------------------------------------


def gru_reset_before(p, x, h):
    """Cho et al. 2014"""
    def part(k):
        s = slice(k * HIDDEN, (k + 1) * HIDDEN)
        return p["cell.W_x"][:, s], p["cell.W_h"][:, s], p["cell.b"][s]

    (wxr, whr, br), (wxz, whz, bz), (wxn, whn, bn) = part(0), part(1), part(2)
    r = torch.sigmoid(x @ wxr + h[0] @ whr + br)
    z = torch.sigmoid(x @ wxz + h[0] @ whz + bz)
    n = torch.tanh(x @ wxn + (r * h[0]) @ whn + bn)
    return [(1 - z) * n + z * h[0]]


def normalised(v, gain, bias=None):
    return torch.nn.functional.layer_norm(v, v.shape[-1:], gain, bias, 1e-5)


def lstm_variant(p, x, state):
    """Peepholes (Gers & Schmidhuber 2000), layer norm (Ba et al. 2016), projection (Sak et al. 2014)"""
    h, c = state
    from_x, from_h = x @ p["cell.W_x"], h @ p["cell.W_h"]
    if "cell.gain_x" in p:
        from_x, from_h = normalised(from_x, p["cell.gain_x"]), normalised(from_h, p["cell.gain_h"])
    i, f, g, o = (from_x + from_h + p["cell.b"]).chunk(4, -1)
    p_i, p_f, p_o = p["cell.W_c"].chunk(3) if "cell.W_c" in p else (torch.zeros(HIDDEN),) * 3
    c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
    inner = normalised(c, p["cell.gain_c"], p["cell.bias_c"]) if "cell.gain_c" in p else c
    h = torch.sigmoid(o + p_o * c) * torch.tanh(inner)
    return [h @ p["cell.W_p"] if "cell.W_p" in p else h, c]


def run_row(step, p, x, start, length, resets, reverse):
    """One row of the batch, alone: outputs and states at all its steps, and the states at the end."""
    state, outputs = list(start), [None] * len(x)
    states = [None] * len(x)
    order = range(len(x) - 1, -1, -1) if reverse else range(len(x))
    for t in order:
        if t < length:
            state = step(p, x[t:t + 1], list(start) if resets[t] else state)
            outputs[t] = state[0][0]
        else:
            outputs[t] = torch.zeros_like(state[0][0])
        states[t] = [s[0] for s in state]
    return torch.stack(outputs), [torch.stack([s[k] for s in states]) for k in range(len(start))], state


def run_written(name, step, widths, shapes, lengths=None, resets=None, reverse=False, batch=BATCH):
    inputs = new_inputs(widths, batch=batch)
    p = {f"cell.{k}": leaf(*shape, scale=0.6) for k, shape in shapes.items()}
    initial = [inputs[f"initial{k}"] for k in range(len(widths))]
    constants = {k: v for k, v in {"lengths": lengths, "resets": resets}.items() if v is not None}
    no_resets = [[0] * batch] * STEPS
    rows = [run_row(step, p, inputs["x"][:, b], [s[b:b + 1] for s in initial],
                    lengths[b] if lengths else STEPS,
                    [line[b] for line in (resets or no_resets)], reverse) for b in range(batch)]
    outputs = torch.stack([row[0] for row in rows], 1)
    every = [torch.stack([row[1][k] for row in rows], 1) for k in range(len(widths))]
    final = [torch.cat([row[2][k] for row in rows]) for k in range(len(widths))]
    write_case(name, inputs, lambda: {k: (v, v.grad) for k, v in p.items()},
               (outputs, final, every), constants)


def lstm_shapes(out=HIDDEN, peephole=False, layer_norm=False, projection=False):
    shapes = {"W_x": (IN, 4 * HIDDEN), "W_h": (out, 4 * HIDDEN), "b": (4 * HIDDEN,)}
    if peephole:
        shapes |= {"W_c": (3 * HIDDEN,)}
    if layer_norm:
        shapes |= {"gain_x": (4 * HIDDEN,), "gain_h": (4 * HIDDEN,), "gain_c": (HIDDEN,), "bias_c": (HIDDEN,)}
    if projection:
        shapes |= {"W_p": (HIDDEN, out)}
    return shapes


GRU = {"W_x": (IN, 3 * HIDDEN), "W_h": (HIDDEN, 3 * HIDDEN), "b": (3 * HIDDEN,)}
BOTH = [HIDDEN, HIDDEN]
RESETS = [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]]

run_written("gru_reset_before", gru_reset_before, [HIDDEN], GRU)
run_written("lstm_peephole", lstm_variant, BOTH, lstm_shapes(peephole=True))
run_written("lstm_layer_norm", lstm_variant, BOTH, lstm_shapes(layer_norm=True))
run_written("lstm_all_variants", lstm_variant, [2, HIDDEN],
            lstm_shapes(out=2, peephole=True, layer_norm=True, projection=True))
run_written("lstm_resets", lstm_variant, BOTH, lstm_shapes(), resets=RESETS)
run_written("lstm_reverse_resets", lstm_variant, BOTH, lstm_shapes(), resets=RESETS, reverse=True)
run_written("lstm_reverse_lengths", lstm_variant, BOTH, lstm_shapes(), lengths=[0, 4, 6, 1], reverse=True)
run_written("gru_everything", gru_reset_before, [HIDDEN], GRU, lengths=[4, 0, 6, 2], resets=RESETS,
            reverse=True)
run_written("gru_empty_rows", gru_reset_before, [HIDDEN], GRU, lengths=[0, 0, 0, 0])
run_written("lstm_one_row", lstm_variant, BOTH, lstm_shapes(), lengths=[4], batch=1)
table.write()
