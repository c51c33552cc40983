"""Writes the text files of this folder; their format stands in tests/support/golden.h."""
import os
import platform
import sys


class Table:
    """Rows `name, label, hash (unused: 0), shape, values`, values as hexadecimal floats."""

    def __init__(self, script, *modules):
        self.path = os.path.splitext(os.path.abspath(script))[0] + ".txt"
        versions = ", ".join(f"{m.__name__} {m.__version__}" for m in modules)
        self.lines = [f"# made by {os.path.basename(script)}: Python {platform.python_version()}, {versions}"]

    def add(self, name, label, tensor):
        """tensor: anything with .shape and .tolist(), such as a torch tensor."""
        shape = ",".join(str(n) for n in tensor.shape) or "-"
        values = " ".join(short(v) for v in tensor.reshape(-1).tolist())
        self.lines.append(f"{name}\t{label}\t0\t{shape}\t{values}")

    def write(self):
        with open(self.path, "w") as out:
            out.write("\n".join(self.lines) + "\n")
        print(f"{self.path}: {len(self.lines) - 1} rows", file=sys.stderr)


def short(value):
    """Exact, and short for whole numbers."""
    value = float(value)
    return str(int(value)) if value == value and abs(value) < 1e6 and value == int(value) else value.hex()
