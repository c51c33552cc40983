"""Small files that other libraries wrote: python3 io_arrays.py writes io_*.safetensors, io_*.npz."""
import io
import pathlib
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
ramp = torch.arange(6).reshape(2, 3)

# Every type: 0 1 2 / 3 4 5; halves are 0.5, -2, 65504 or 3e38, the smallest, infinity.
save_file(
    {
        "f32": ramp.float(), "f64": ramp.double(),
        "i8": ramp.to(torch.int8), "i16": ramp.to(torch.int16), "i32": ramp.int(), "i64": ramp.long(),
        "u8": ramp.to(torch.uint8), "u16": ramp.to(torch.uint16), "u32": ramp.to(torch.uint32),
        "u64": ramp.to(torch.uint64), "bool": ramp > 2,
        "f16": torch.tensor([0.5, -2.0, 65504.0, 2.0**-24, float("inf")], dtype=torch.float16),
        "bf16": torch.tensor([0.5, -2.0, 3e38, 2.0**-133, float("inf")], dtype=torch.bfloat16),
        "scalar": torch.tensor(7.0), "empty": torch.zeros(0, 3),
    },
    here / "io_types.safetensors",
    metadata={"architecture": "none", "naïve": "ключ"},
)

arrays = {}
base = np.arange(6).reshape(2, 3)
for kind in ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]:
    for order in "<>":
        values = (base > 2) if kind == "b1" else base
        arrays[f"{kind}{order}"] = values.astype(np.dtype(order + kind))
arrays["fortran"] = np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))
arrays["fortran>"] = np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype(">f4"))
arrays["scalar"] = np.float64(7)
arrays["empty"] = np.zeros((0, 3), np.float32)
with zipfile.ZipFile(here / "io_numpy.npz", "w") as z:
    def add(name, array, version=None, packed=False):
        out = io.BytesIO()
        np.lib.format.write_array(out, np.asanyarray(array), version=version)
        z.writestr(zipfile.ZipInfo(name + ".npy"), out.getvalue(),
                   zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    for name, array in arrays.items():
        add(name, array)
    for version in (1, 2, 3):
        add(f"version{version}", base.astype(float), (version, 0))
    add("packed", np.zeros(20000), packed=True)


def bad_zip(name, entries):
    with zipfile.ZipFile(here / name, "w", zipfile.ZIP_DEFLATED) as z:
        for entry, content in entries:
            z.writestr(zipfile.ZipInfo(entry), content)


np.save(here / "io_ramp.npy", base.astype(np.float32))
np.save(here / "io_swapped.npy", np.asfortranarray(base.astype(">i2")))
out = io.BytesIO()
np.save(out, base)
bad_zip("io_bad_outside.npz", [("../../evil.npy", out.getvalue())])
bad_zip("io_bad_other.npz", [("x.txt", b"hello")])
bad_zip("io_bad_twice.npz", [("x.npy", out.getvalue()), ("x.npy", out.getvalue())])
