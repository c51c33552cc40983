"""Models of PyTorch and Keras, with an input and the output: python3 io_foreign.py writes
io_torch.safetensors, io_torch_rest.safetensors, io_keras.weights.h5 and io_keras.npz. Input and output are
arrays of the file called x and y, or of io_keras.npz; the weights have the frameworks' names."""
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
torch.manual_seed(1)
torch.set_default_dtype(torch.float64)


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.lstm = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
        self.gru = torch.nn.GRU(4, 3)
        self.rnn = torch.nn.RNN(3, 2, nonlinearity="relu", bias=False)
        self.norm = torch.nn.LayerNorm(2)
        self.head = torch.nn.Linear(2, 2)

    def forward(self, x):
        y = self.embedding(x)
        for layer in (self.lstm, self.gru, self.rnn):
            y = layer(y)[0]
        return self.head(self.norm(y))


def numbers(model):
    return {k: v.detach().contiguous() for k, v in model.state_dict().items()}


model = Recurrent()
for p in model.parameters():
    torch.nn.init.normal_(p, 0, 0.7)
x = torch.randint(0, 7, (5, 2))
save_file({**numbers(model), "x": x.int(), "y": model(x).detach()}, here / "io_torch.safetensors")

rest = torch.nn.ModuleDict({
    "lstm": torch.nn.LSTMCell(3, 2), "gru": torch.nn.GRUCell(3, 2), "rnn": torch.nn.RNNCell(3, 2),
    "same": torch.nn.MultiheadAttention(4, 2), "apart": torch.nn.MultiheadAttention(4, 2, kdim=3, vdim=2),
})
for p in rest.parameters():
    torch.nn.init.normal_(p, 0, 0.7)
x = torch.randn(2, 3)
outputs = {"lstm.y": rest["lstm"](x)[0], "gru.y": rest["gru"](x), "rnn.y": rest["rnn"](x), "x": x}
save_file({**numbers(rest), **{k: v.detach().contiguous() for k, v in outputs.items()}},
          here / "io_torch_rest.safetensors")

keras.utils.set_random_seed(1)
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
layers = keras.layers
model = keras.Sequential([
    keras.Input((None,), dtype="int32"), layers.Embedding(7, 3), layers.LSTM(4, return_sequences=True),
    layers.Bidirectional(layers.GRU(2, return_sequences=True)),
    layers.GRU(3, reset_after=False, return_sequences=True), layers.SimpleRNN(2, return_sequences=True),
    layers.LayerNormalization(), layers.Dense(2),
], name="model")
for v in model.weights:
    v.assign(np.random.randn(*v.shape) * 0.7)
x = np.random.randint(0, 7, (2, 5)).astype(np.int32)
model.save_weights(here / "io_keras.weights.h5")
named = {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}
np.savez(here / "io_keras.npz", **named, x=np.ascontiguousarray(x.T),
         y=np.ascontiguousarray(np.swapaxes(np.array(model(x)), 0, 1)))
print(*named, sep="\n")
