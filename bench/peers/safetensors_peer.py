"""The safetensors package: a file read into NumPy's arrays, from the page cache."""
import time
from importlib.metadata import version

from safetensors.numpy import load_file

import common


def load(words):
    """PATH → the best of three"""
    def once():
        start = time.perf_counter()
        load_file(words[0])
        return time.perf_counter() - start

    return {"seconds": min(once() for _ in range(3)), "version": version("safetensors")}


common.main({"load": load})
