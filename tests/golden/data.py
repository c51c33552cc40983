"""Windows, folds and normalisers against Keras and scikit-learn: python3 data.py writes data.txt."""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import sklearn
from sklearn.model_selection import KFold
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from table import Table

table = Table(__file__, keras, np, sklearn)
series = np.sin(np.arange(60, dtype=float)).reshape(30, 2)
table.add("series", "series", series)
CASES = [(4, 1, 1, None, None), (3, 2, 1, None, None), (3, 1, 4, 2, 25), (5, 3, 2, 1, None), (30, 1, 1, None, None)]
for k, (length, stride, rate, start, end) in enumerate(CASES):
    batches = keras.utils.timeseries_dataset_from_array(
        series, series[:, :1], sequence_length=length, sequence_stride=stride, sampling_rate=rate,
        start_index=start, end_index=end, batch_size=None)
    pairs = [(np.array(x), np.array(y)) for x, y in batches]
    table.add(f"windows_{k}", "options", np.array([length, stride, rate, start or 0, end or 0]))
    table.add(f"windows_{k}", "x", np.stack([x for x, _ in pairs]))
    table.add(f"windows_{k}", "y", np.stack([y for _, y in pairs]))
for fold, (train, validation) in enumerate(KFold(4).split(np.zeros(14))):
    table.add(f"fold_{fold}", "train", train)
    table.add(f"fold_{fold}", "validation", validation)
numbers = np.array([[1.0, 5, 1e6], [2, 5, 1e6 + 1], [4, 5, 1e6 + 4], [-3, 5, 1e6 - 2]])
table.add("normalizer", "x", numbers)
table.add("normalizer", "standard", StandardScaler().fit_transform(numbers))
table.add("normalizer", "min_max", MinMaxScaler().fit_transform(numbers))
table.write()
