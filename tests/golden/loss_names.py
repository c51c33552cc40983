"""Losses by name against Keras 3: python3 loss_names.py writes loss_names.txt."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np

from table import Table

keras.config.set_floatx("float64")
table = Table(__file__, keras, np)
rng = np.random.default_rng(4)
ROWS, WIDTH = 5, 3


def add(name, loss, prediction, target, weights=None):
    table.add(name, "prediction", prediction)
    table.add(name, "target", target)
    value = loss(keras.ops.convert_to_tensor(target), keras.ops.convert_to_tensor(prediction))
    table.add(name, "loss", np.array(float(value)))
    weights = rng.random(ROWS)
    value = loss(keras.ops.convert_to_tensor(target), keras.ops.convert_to_tensor(prediction),
                 sample_weight=keras.ops.convert_to_tensor(weights))
    table.add(name, "weights", weights)
    table.add(name, "weighted", np.array(float(value)))


def softmax(v):
    e = np.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


numbers, others = rng.normal(size=(ROWS, WIDTH)), rng.normal(size=(ROWS, WIDTH))
positive, more = rng.random((ROWS, WIDTH)), rng.random((ROWS, WIDTH)) + 0.1
classes = np.array([0, 2, 1, 1, 0])
one_hot = np.eye(WIDTH)[classes]
bits = (rng.random((ROWS, WIDTH)) > 0.5).astype(float)
probabilities = softmax(3 * numbers)
probabilities[0] = [1, 0, 0]
probabilities[1] = [0.5, 0.5, 0]
edges = positive.copy()
edges[0, 0], edges[0, 1] = 0, 1
losses = keras.losses
add("mse", losses.MeanSquaredError(), numbers, others)
add("mae", losses.MeanAbsoluteError(), numbers, others)
add("mape", losses.MeanAbsolutePercentageError(), numbers, others)
add("msle", losses.MeanSquaredLogarithmicError(), positive, more)
add("huber", losses.Huber(), 2 * numbers, others)
add("log_cosh", losses.LogCosh(), 3 * numbers, others)
add("poisson", losses.Poisson(), more, np.floor(3 * positive))
add("hinge", losses.Hinge(), numbers, np.sign(others))
add("cross_entropy", losses.SparseCategoricalCrossentropy(from_logits=True), numbers, classes)
add("categorical_crossentropy", losses.CategoricalCrossentropy(), probabilities, one_hot)
add("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy(), probabilities, classes)
add("binary_crossentropy", losses.BinaryCrossentropy(), edges, bits)
add("binary_cross_entropy_with_logits", losses.BinaryCrossentropy(from_logits=True), 5 * numbers, bits)
table.write()
