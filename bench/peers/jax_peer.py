"""JAX: a cell under lax.scan, its loss differentiated and compiled as a whole."""
import functools

import jax
import jax.numpy as jnp

import common


def lstm(p, z, state):
    h, c = state
    i, f, g, o = jnp.split(z + h @ p["W_h"], 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h, c


def gru(p, z, state):
    h, = state
    from_h = h @ p["W_h"]
    (r, z_, n), (hr, hz, hn) = jnp.split(z, 3, -1), jnp.split(from_h, 3, -1)
    update = jax.nn.sigmoid(z_ + hz)
    n = jnp.tanh(n + jax.nn.sigmoid(r + hr) * (hn + p["b_h"]))
    return (1 - update) * n + update * h,


def rnn(p, z, state):
    return jnp.tanh(z + state[0] @ p["W_h"]),


CELLS = {"lstm": (lstm, 4, 2), "gru": (gru, 3, 1), "rnn": (rnn, 1, 1)}  # step, gates, states


@functools.lru_cache(maxsize=4)
def training(name, row):
    """The projection of the inputs is taken out of the scan by hand, as JAX's users do."""
    steps, batch, inputs, hidden = row
    step, gates, states = CELLS[name]
    shapes = {"x": (steps, batch, inputs), "W_x": (inputs, gates * hidden), "W_h": (hidden, gates * hidden),
              "b": (gates * hidden,)}
    shapes |= {"b_h": (hidden,)} if name == "gru" else {}
    p = {k: jnp.asarray(v) for k, v in common.weights(shapes, hidden).items()}

    def loss(p):
        def body(state, z):
            state = step(p, z, state)
            return state, state[0]

        start = (jnp.zeros((batch, hidden)),) * states
        return jnp.mean(jax.lax.scan(body, start, p["x"] @ p["W_x"] + p["b"])[1] ** 2)

    return jax.jit(jax.value_and_grad(loss)), p


def step(words):
    name, row, _, seconds = common.numbers(words)
    function, p = training(name, row)
    result = common.measure(lambda: float(jax.block_until_ready(function(p))[0]), seconds)
    loss, gradient = function(p)
    squares = {k: float(jnp.sum(jnp.square(v))) for k, v in gradient.items()}
    of_x = squares.pop("x")
    return result | {"loss": float(loss), "d_weights": sum(squares.values())**0.5, "d_x": of_x**0.5,
                     "version": jax.__version__}


common.main({"step": step})
