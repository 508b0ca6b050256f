"""Makes forms.br with PyTorch: a ResNet-18's checkpoint in every form people have it, and what PyTorch says of each.

    python make.py            # torch, torchvision, brotli

Every tensor has its real shape and no size: it is a strided view of one short storage, which torch.save writes once.
The archive is brotli of one line of JSON, [{name, bytes, weightsOnly, load, strict}, ...], and behind it the files in order.
"""

import argparse
import io
import json
import os
import pickle
import warnings

import brotli
import torch
import torchvision
from torch import nn

folder = os.path.dirname(os.path.abspath(__file__))
files = []


def thin(model, seed=0):
    """The same shapes as views of one storage, as short as they allow, of values between -1 and 1."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(sum(tensor.shape) - tensor.dim() + 1 for tensor in model.state_dict().values())
    storage = torch.randint(-64, 65, (longest,), generator=generator).to(torch.float32) / 64
    count = torch.tensor(7)

    def view(tensor):
        if tensor.dtype == torch.int64:
            return count
        if tensor.dim() == 0:
            return storage[0]
        return storage.as_strided(tensor.shape, [1] * tensor.dim())

    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(view(parameter))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = view(buffer)
    return model


def resnet(depth=18, classes=10, channels=3):
    with torch.device("meta"):
        model = getattr(torchvision.models, f"resnet{depth}")(num_classes=classes)
        if channels != 3:
            model.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return thin(model)


def bytes_of(value, *, zipped=True, tag=None):
    """`tag` names the device that the file says of every storage: there is no GPU where this runs."""
    original = torch.serialization.location_tag
    if tag is not None:
        torch.serialization.location_tag = lambda storage: tag
    try:
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.save(value, out, _use_new_zipfile_serialization=zipped)
        return out.getvalue()
    finally:
        torch.serialization.location_tag = original


def outcome(action):
    """`ok`, or the name of what was raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "ok", action()
    except Exception as error:
        return type(error).__name__, None


def add(name, content, **settings):
    """Also asks PyTorch, on this machine without a GPU: torch.load as it is, trusting the file, and a strict load of that."""
    data = content if isinstance(content, bytes) else bytes_of(content, **settings)
    weights_only, loaded = outcome(lambda: torch.load(io.BytesIO(data)))
    load = weights_only
    if weights_only == "UnpicklingError":
        load, loaded = outcome(lambda: torch.load(io.BytesIO(data), weights_only=False))
    strict = None
    if load == "ok":
        with torch.device("meta"):
            model = torchvision.models.resnet18(num_classes=10)
        strict, _ = outcome(lambda: model.load_state_dict(loaded, assign=True))
    files.append(({"name": name, "bytes": len(data), "weightsOnly": weights_only, "load": load, "strict": strict}, data))


def prefixed(state, prefix):
    return type(state)((prefix + name, tensor) for name, tensor in state.items())


class Command:
    """What a hostile file does as soon as pickle reads it."""

    def __reduce__(self):
        return os.system, ("touch /tmp/trainql-was-here",)


model = resnet()
state = model.state_dict()

add("state-dict.pth", state)
add("state-dict-legacy.pth", state, zipped=False)
add("cuda-3.pth", state, tag="cuda:3")
add("data-parallel.pth", prefixed(state, "module."))
add("compiled.pth", prefixed(state, "_orig_mod."))
add("ddp-compiled.pth", prefixed(state, "module._orig_mod."))

def converted(dtype):
    """The state dict in another dtype, still as views of one storage."""
    base = state["conv1.weight"]
    whole = torch.empty(0, dtype=base.dtype).set_(base.untyped_storage()).to(dtype)
    return {
        name: whole.as_strided(tensor.shape, tensor.stride()) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


add("float16.pth", converted(torch.float16))
add("bfloat16.pth", converted(torch.bfloat16))
add("without-counters.pth", {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")})

optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
for parameter in model.parameters():
    optimizer.state[parameter]["momentum_buffer"] = parameter.detach()
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 30)
add(
    "imagenet-example.pth.tar",
    {
        "epoch": 30,
        "arch": "resnet18",
        "state_dict": prefixed(state, "module."),
        "best_acc1": torch.tensor(69.5),
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
    },
)
add(
    "tutorial-training-file.pth",
    {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": schedule.state_dict(),
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
    },
)
add(
    "lightning.ckpt",
    {
        "epoch": 4,
        "global_step": 1000,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {**prefixed(state, "model."), "criterion.weight": state["fc.bias"]},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [],
        "loops": {},
        "callbacks": {},
    },
)

add("whole-model.pth", model)
add("whole-model-legacy.pth", resnet(), zipped=False)
parallel = nn.DataParallel(model)
parallel.device_ids = [1, 2]
parallel.output_device = 1
parallel.src_device_obj = torch.device("cuda:1")
add("whole-data-parallel.pth", parallel, tag="cuda:1")
# torch.save(model.state_dict, ...) without the call, as the tutorial's section 5.4.2 has it.
add("state-dict-not-called.pth", model.state_dict)
assigned = resnet()
assigned.fc.bias = nn.Parameter(torch.zeros(10))
assigned.state_dict = state
add("whole-model-state-dict-assigned.pth", assigned)

add("resnet50.pth", resnet(50).state_dict())
add("classes-1000.pth", resnet(classes=1000).state_dict())
add("one-channel.pth", resnet(channels=1).state_dict())
add("backbone.pth", {name: tensor for name, tensor in state.items() if not name.startswith("fc.")})
add("cut-names.pth", {name[7:]: tensor for name, tensor in state.items()})
add("not-finite.pth", {**state, "fc.bias": torch.tensor([0.0] * 9 + [float("nan")])})
with torch.device("meta"):
    other = torchvision.models.vgg11(num_classes=10)
for name, parameter in list(other.named_parameters()):
    if parameter.dim() == 2:
        other.get_submodule(name.rpartition(".")[0])._parameters[name.rpartition(".")[2]] = nn.Parameter(torch.zeros(10, 10))
add("other-network.pth", thin(other).state_dict())
add("optimizer-alone.pth", optimizer.state_dict())
add("numbers.pth", {"epoch": 3, "best_acc1": 69.5})
add("hostile.pth", {"weights": Command()})
add("plain-pickle.pkl", pickle.dumps({"a": [1, 2, 3]}))
script = io.BytesIO()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), script)
add("torchscript.pt", script.getvalue())
add("download-page.pth", b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")
add(
    "lfs-pointer.pth",
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 44701000\n",
)
add("empty.pth", b"")
whole = bytes_of(state)
add("truncated.pth", whole[: len(whole) // 2])
at = whole.index(torch.empty(0).set_(state["conv1.weight"].untyped_storage()).numpy().tobytes())
add("damaged.pth", whole[: at + 3] + bytes([whole[at + 3] ^ 1]) + whole[at + 4 :])

index = json.dumps([told for told, _ in files]).encode() + b"\n"
archive = brotli.compress(index + b"".join(data for _, data in files), quality=11, lgwin=24)
with open(os.path.join(folder, "forms.br"), "wb") as out:
    out.write(archive)
for told, _ in files:
    print(told)
print(len(archive), "bytes in all")
