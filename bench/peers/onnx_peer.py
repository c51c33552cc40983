"""ONNX Runtime: inference of one LSTM, a step at a time or a whole sequence."""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import common


def model(row):
    """PyTorch's gates i f g o are ONNX's i o f c."""
    steps, batch, inputs, hidden = row
    p = common.weights({"W_x": (inputs, 4 * hidden), "W_h": (hidden, 4 * hidden), "b": (4 * hidden,)}, hidden)
    p = {k: np.concatenate([np.split(v.T, 4)[g] for g in (0, 3, 1, 2)])[None] for k, v in p.items()}
    p["b"] = np.concatenate((p["b"], np.zeros_like(p["b"])), -1)
    state = [1, batch, hidden]
    tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    node = helper.make_node("LSTM", ["x", "W_x", "W_h", "b", "", "h0", "c0"], ["y", "h", "c"], hidden_size=hidden)
    graph = helper.make_graph(
        [node], "lstm", [tensor("x", [steps, batch, inputs]), tensor("h0", state), tensor("c0", state)],
        [tensor("y", [steps, 1, batch, hidden]), tensor("h", state), tensor("c", state)],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in p.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def infer(words):
    _, row, threads, seconds = common.numbers(words)
    steps, batch, inputs, hidden = row
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model(row), options, providers=["CPUExecutionProvider"])
    x = common.weights({"x": (steps, batch, inputs)}, hidden)["x"]
    zeros = np.zeros((1, batch, hidden), np.float32)
    state = [zeros, zeros]

    def run():
        outputs, *after = session.run(None, {"x": x, "h0": state[0], "c0": state[1]})
        state[:] = after if steps == 1 else [zeros, zeros]
        return outputs

    loss = float(np.mean(np.square(run())))
    return common.measure(run, seconds) | {"loss": loss, "version": onnxruntime.__version__}


common.main({"infer": infer})
