"""What torch.load(weights_only=True) makes of each file: its tensors, its other values, and whether a model takes it.

    python read.py FILE...    # prints one JSON list
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))
sys.dont_write_bytecode = True

import torch
import make


def plain(value):
    """Types as Python has them; a tensor by its name alone."""
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, dict):
        return [type(value).__name__, [[plain(key), plain(item)] for key, item in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [plain(item) for item in value]]
    return [type(value).__name__, str(value)]


def read(path):
    value = torch.load(path, weights_only=True)
    told = {"tensors": make.tensors_of(value), "plain": plain(value), "storages": len({tensor.data_ptr() for tensor in tensors(value)})}
    if isinstance(value, dict) and "conv1.weight" in value:
        told["strict"] = str(make.tiny_net().load_state_dict(value, strict=True))
    return told


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors(item)


print(json.dumps([read(path) for path in sys.argv[1:]]))
