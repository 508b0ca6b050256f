"""Makes checkpoints with PyTorch at full width, for live.test.ts: forms and logits of a network, or a training to go on with.

    python live.py probe -
    python live.py forms FOLDER DEPTH FORM...
    python live.py training FOLDER KIND          # SGD, Adam or AdamW

Prints one line of JSON. Numbers for the other side lie in FOLDER as raw little-endian fp32.
"""

import copy
import json
import os
import sys
import warnings

import torch
import torchvision
from torch import nn

warnings.simplefilter("ignore")
torch.manual_seed(7)
torch.set_num_threads(2)
folder = sys.argv[2]


def raw(name, tensor):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(tensor.detach().contiguous().to(torch.float32).numpy().tobytes())


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def tagged(value, path, tag, **settings):
    """The file says of every storage that it lay on `tag`; there is no GPU where this runs."""
    original = torch.serialization.location_tag
    torch.serialization.location_tag = lambda storage: tag
    try:
        torch.save(value, path, **settings)
    finally:
        torch.serialization.location_tag = original


def write(form, model, path):
    state = model.state_dict()
    if form == "state-dict":
        torch.save(state, path)
    elif form == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    elif form == "data-parallel":
        tagged(nn.DataParallel(model).state_dict(), path, "cuda:0")
    elif form == "compiled":
        torch.save(prefixed(state, "module._orig_mod."), path)
    elif form == "lightning":
        torch.save({"pytorch-lightning_version": "2.5.0", "epoch": 1, "global_step": 9, "state_dict": prefixed(state, "model.")}, path)
    elif form == "imagenet-example":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        told = {"epoch": 5, "arch": "resnet", "best_acc1": torch.tensor(60.5), "optimizer": optimizer.state_dict()}
        tagged({**told, "state_dict": prefixed(state, "module.")}, path, "cuda:1")
    elif form == "whole-model":
        torch.save(model, path)
    elif form == "whole-legacy":
        torch.save(model, path, _use_new_zipfile_serialization=False)
    elif form == "whole-data-parallel":
        parallel = nn.DataParallel(model)
        parallel.device_ids, parallel.output_device = [2, 3], 2
        tagged(parallel, path, "cuda:2")
    else:
        raise ValueError(form)


def forms(depth, names):
    model = getattr(torchvision.models, f"resnet{depth}")(num_classes=10)
    # Statistics and scales that an untrained network does not have.
    for name, tensor in model.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.8, 1.2)
        elif name.endswith("bn3.weight") or (depth == 18 and name.endswith("bn2.weight")):
            tensor.uniform_(0.1, 0.3)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        raw("images", images)
        raw("logits", model.eval()(images))
    model.train()
    for name in names:
        write(name, model, os.path.join(folder, name))
    return {"forms": names}


def training(kind):
    """Five steps, a checkpoint in the form of the ImageNet example, and ten more steps with their losses."""
    settings = {"SGD": {"lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4}}.get(kind, {"lr": 1e-4, "weight_decay": 0.01})
    model = torchvision.models.resnet18(num_classes=10).train()
    optimizer = getattr(torch.optim, kind)(model.parameters(), **settings)
    images = torch.randn(15, 16, 3, 32, 32)
    labels = torch.randint(0, 10, (15, 16))
    losses = []
    for step in range(15):
        if step == 5:
            content = {"epoch": 1, "arch": "resnet18", "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(copy.deepcopy(content), os.path.join(folder, "checkpoint.pth.tar"))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[step]), labels[step])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    raw("images", images[5:])
    return {"losses": losses[5:], "labels": labels[5:].tolist(), **settings}


if sys.argv[1] == "forms":
    print(json.dumps(forms(int(sys.argv[3]), sys.argv[4:])))
elif sys.argv[1] == "training":
    print(json.dumps(training(sys.argv[3])))
else:
    print(json.dumps({"torch": torch.__version__}))
