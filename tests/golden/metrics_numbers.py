"""Metrics of numbers and classes by scikit-learn: python3 metrics_numbers.py writes metrics_numbers.txt."""
import warnings

import numpy as np
import sklearn
import sklearn.metrics as m

from table import Table

warnings.simplefilter("ignore")
table = Table(__file__, sklearn, np)
rng = np.random.default_rng(4)
ROWS = 60
CLASSES = {"binary": 2, "many": 5, "absent": 6}


def add(name, label, values):
    table.add(name, label, np.asarray(values, dtype=float))


def averages(name, y, p, w, classes):
    for metric in ("precision", "recall", "f1"):
        f = getattr(m, metric + "_score")
        for zero in (0.0, 1.0, np.nan):
            for average in ("macro", "micro", "weighted"):
                add(name, f"{metric}.{average}.{zero}", f(y, p, average=average, sample_weight=w, zero_division=zero))
            add(name, f"{metric}.class.{zero}",
                f(y, p, average=None, labels=range(classes), sample_weight=w, zero_division=zero))


for name, classes in CLASSES.items():
    scores = rng.normal(size=(ROWS, classes)).round(1)
    y = rng.integers(0, classes, ROWS)
    w = rng.uniform(0.1, 2, ROWS).round(2)
    if name == "absent":  # classes that are never a label, never a prediction, and neither
        y[y == 1] = 0
        y[y == 3] = 0
        scores[:, 2] = scores[:, 3] = -9
    p = scores.argmax(1)
    add(name, "scores", scores)
    add(name, "labels", y)
    add(name, "weights", w)
    averages(name, y, p, w, classes)
    add(name, "confusion", m.confusion_matrix(y, p, labels=range(classes), sample_weight=w))
    add(name, "accuracy", m.accuracy_score(y, p, sample_weight=w))
    if classes > 2:
        # scikit-learn takes the last of equals, reel the first: without ties they agree
        untied = scores + 1e-3 * rng.uniform(size=scores.shape)
        add(name, "untied", untied)
        for k in (2, 3):
            add(name, f"top_{k}", m.top_k_accuracy_score(y, untied, k=k, labels=range(classes), sample_weight=w))
    if name == "binary":
        add(name, "roc_auc", m.roc_auc_score(y, scores[:, 1], sample_weight=w))
    if name == "many":
        e = np.exp(scores)
        e = e / e.sum(1, keepdims=True)
        add(name, "probabilities", e)
        add(name, "roc_auc", m.roc_auc_score(y, e, multi_class="ovr", average="macro"))

for name, columns in {"values": 1, "matrix": 3}.items():
    y = rng.normal(size=(ROWS, columns)) * 3 + 100
    p = y + rng.normal(size=(ROWS, columns))
    w = rng.uniform(0.1, 2, ROWS).round(2)
    y[0] = 0
    add(name, "targets", y)
    add(name, "predictions", p)
    add(name, "weights", w)
    add(name, "mae", m.mean_absolute_error(y, p, sample_weight=w))
    add(name, "mse", m.mean_squared_error(y, p, sample_weight=w))
    add(name, "rmse", np.sqrt(m.mean_squared_error(y, p, sample_weight=w)))
    add(name, "r2", m.r2_score(y, p, sample_weight=w))
    add(name, "mape", m.mean_absolute_percentage_error(y, p, sample_weight=w))
table.write()
