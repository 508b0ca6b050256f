"""Tries what docs/pytorch-checkpoints.md says of PyTorch, on the CPU, and prints what came of each as JSON."""

import argparse
import json
import os
import sys
import tempfile
import types
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
folder = tempfile.mkdtemp()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(3, 3)
        self.mlp_module = nn.Linear(3, 2)

    def forward(self, x):
        return self.mlp_module(self.layer1(x))


def saved(value):
    path = os.path.join(folder, "file.pth")
    torch.save(value, path)
    return path


def error_of(action):
    """`Type: first line`, or None where nothing was raised."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


def parameters_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


torch.manual_seed(0)
model, x = Net(), torch.randn(4, 3)
state = model.state_dict()
wrapped = nn.DataParallel(model)
told = {}

told["wholeModel"] = error_of(lambda: torch.load(saved(model)))
gone = types.ModuleType("gone")
exec("from torch import nn\nclass Moved(nn.Linear):\n    pass", gone.__dict__)
sys.modules["gone"] = gone
moved = saved(gone.Moved(2, 2))
del sys.modules["gone"]
told["movedClass"] = error_of(lambda: torch.load(moved, weights_only=False))

method = torch.load(saved(model.state_dict), weights_only=False)
told["notCalled"] = [type(method).__name__, error_of(lambda: Net().load_state_dict(method))]

tag = torch.serialization.location_tag
torch.serialization.location_tag = lambda storage: "cuda:3"
tagged = saved(state)
wrapped.device_ids, wrapped.output_device, wrapped.src_device_obj = [1, 2], 1, torch.device("cuda:1")
torch.serialization.location_tag = tag
told["otherDevice"] = [error_of(lambda: torch.load(tagged)), error_of(lambda: torch.load(tagged, map_location="cpu"))]

told["wrapperName"] = next(iter(wrapped.state_dict()))
told["wrapperStrict"] = error_of(lambda: Net().load_state_dict(wrapped.state_dict()))
fresh = Net()
before = parameters_of(fresh)
result = fresh.load_state_dict(wrapped.state_dict(), strict=False)
told["wrapperNotStrict"] = {
    "unchanged": same(before, parameters_of(fresh)),
    "missing": len(result.missing_keys),
    "unexpected": len(result.unexpected_keys),
}

fresh = Net()
before, output = parameters_of(fresh), fresh(x)
fresh.state_dict = state
told["dictAssigned"] = {
    "unchanged": same(before, parameters_of(fresh)),
    "sameOutputs": torch.equal(output, fresh(x)),
    "next": error_of(lambda: fresh.state_dict()),
}

told["cut"] = [name[7:] for name in ("conv1.weight", "bn1.weight")]
told["cutPrefixed"] = error_of(lambda: Net().load_state_dict({name[7:]: t for name, t in wrapped.state_dict().items()}))
replaced = {name.replace("module.", ""): t for name, t in wrapped.state_dict().items()}
told["replaced"] = [list(replaced)[2], error_of(lambda: Net().load_state_dict(replaced))]
fresh = Net()
before = parameters_of(fresh)
fresh.load_state_dict(replaced, strict=False)
after = parameters_of(fresh)
told["replacedNotStrict"] = [name for name in after if torch.equal(before[name], after[name])]

path = saved(wrapped)
whole = torch.load(path, map_location="cpu", weights_only=False)
told["wholeWrapper"] = {"ids": whole.device_ids, "forward": error_of(lambda: whole(x))}
told["unwrapped"] = same(parameters_of(model), parameters_of(whole.module))

fresh = Net()
before = parameters_of(fresh)
fresh.state_dict = whole.module.state_dict
optimizer = torch.optim.SGD(fresh.parameters(), lr=0.1)
fresh(x).sum().backward()
optimizer.step()
told["methodAssigned"] = {
    "loaded": same(parameters_of(model), before),
    "trained": not same(before, parameters_of(fresh)),
    "checkpointHoldsOldWeights": same(dict(torch.load(saved(fresh.state_dict()))), dict(state)),
}

training = saved({"model": state, "epoch": 3, "args": argparse.Namespace(lr=0.1)})
told["trainingFile"] = error_of(lambda: torch.load(training))
contents = torch.load(training, weights_only=False)
fresh = Net()
before = parameters_of(fresh)
fresh.load_state_dict(contents, strict=False)
told["trainingFileNotStrict"] = same(before, parameters_of(fresh))

path = saved(state)
content = bytearray(open(path, "rb").read())
at = content.index(state["layer1.weight"].numpy().tobytes())
content[at] ^= 1
open(path, "wb").write(content)
damaged = torch.load(path)["layer1.weight"]
told["damaged"] = int((damaged != state["layer1.weight"]).sum())

print(json.dumps(told))
