"""The program of bench/keras_program.c in Keras and in PyTorch written by hand:
keras_peer.py keras|torch EPOCHS ROWS STEPS FEATURES THREADS [f64] prints one line of JSON; f64 is torch's alone.

Only what is asked for is imported: start-up is part of what is measured."""
import json
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from common import fill

UNITS, BATCH = 64, 32


def parameters(features):
    """As reel names and shapes them."""
    shapes = {"layer_0.W_x": (features, 4 * UNITS), "layer_0.W_h": (UNITS, 4 * UNITS), "layer_0.b": (4 * UNITS,),
              "layer_1.W": (UNITS, 32), "layer_1.b": (32,), "layer_2.W": (32, 1), "layer_2.b": (1,)}
    return {name: fill(name, shape, UNITS**-0.5) for name, shape in shapes.items()}


def in_torch(epochs, x, y, threads):
    import torch
    torch.set_num_threads(threads)
    lstm, head = torch.nn.LSTM(x.shape[2], UNITS, batch_first=True), torch.nn.Sequential(
        torch.nn.Linear(UNITS, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    lstm, head = (m.to(torch.from_numpy(x).dtype) for m in (lstm, head))
    w = {name: torch.from_numpy(p.T.copy()) for name, p in parameters(x.shape[2]).items()}
    with torch.no_grad():
        for mine, its in ((lstm.weight_ih_l0, "layer_0.W_x"), (lstm.weight_hh_l0, "layer_0.W_h"),
                          (lstm.bias_ih_l0, "layer_0.b"), (head[0].weight, "layer_1.W"), (head[0].bias, "layer_1.b"),
                          (head[2].weight, "layer_2.W"), (head[2].bias, "layer_2.b")):
            mine.copy_(w[its])
        lstm.bias_hh_l0.zero_()
    lstm.bias_hh_l0.requires_grad_(False)  # one bias, as the others have
    adam = torch.optim.Adam([p for p in [*lstm.parameters(), *head.parameters()] if p.requires_grad], eps=1e-8)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    cut, losses, ms = int(len(x) * 0.8), [], []

    def forward(rows):
        return head(lstm(rows)[0][:, -1])

    for _ in range(epochs):
        start, total, absolute = time.perf_counter(), 0.0, 0.0
        for i in range(0, cut, BATCH):
            adam.zero_grad()
            out = forward(x[i:i + BATCH])
            loss = torch.nn.functional.mse_loss(out, y[i:i + BATCH])
            loss.backward()
            adam.step()
            total += loss.item() * len(out)
            absolute += (out.detach() - y[i:i + BATCH]).abs().sum().item()
        with torch.no_grad():
            for i in range(cut, len(x), BATCH):
                out = forward(x[i:i + BATCH])
                absolute += (out - y[i:i + BATCH]).abs().sum().item()
        losses.append(total / cut)
        ms.append(1e3 * (time.perf_counter() - start))
    with torch.no_grad():
        first = torch.cat([forward(x[i:i + BATCH]) for i in range(0, len(x), BATCH)])[0].item()
    return losses, ms, first


def in_keras(epochs, x, y, threads):
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras
    model = keras.Sequential([keras.layers.LSTM(UNITS), keras.layers.Dense(32, activation="relu"),
                              keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    ms = []

    class Stopwatch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            ms.append(1e3 * (time.perf_counter() - self.began))

    history = model.fit(x, y, epochs=epochs, batch_size=BATCH, validation_split=0.2, shuffle=False, verbose=0,
                        callbacks=[Stopwatch()])
    return history.history["loss"], ms, float(model.predict(x, verbose=0)[0, 0])


def main():
    epochs, rows, steps, features, threads = map(int, sys.argv[2:7])
    x = fill("x", (rows, steps, features), 1)
    y = x.dtype.type(0.5) * x[:, -1, -1:] + x.dtype.type(0.25) * x[:, -2, -1:]
    if sys.argv[7:] == ["f64"]:
        x, y = x.astype("float64"), y.astype("float64")
    losses, ms, first = {"torch": in_torch, "keras": in_keras}[sys.argv[1]](epochs, x, y, threads)
    print(json.dumps({"losses": losses, "ms": statistics.median(ms), "prediction": first}), flush=True)


main()
