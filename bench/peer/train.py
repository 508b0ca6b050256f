"""The PyTorch side of `npm run bench -- train`: trains one task on torchvision's ResNet and answers over stdin.

Takes the task as JSON in argv[1]; prints {"ready": ...} after the warm-up; then, for each line {"steps": n}, trains
n steps and prints {"seconds": [...], "loss": x}. Ends with its input.
"""

import json
import math
import os
import statistics
import sys
import time

task = json.loads(sys.argv[1])
# Before torch sizes its thread pools.
os.sched_setaffinity(0, task["cores"])

try:
    import torch
    import torchvision
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit(3)


def status_bytes(field):
    """A memory figure of this process from /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="utf8") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return None


def build_model():
    model = getattr(torchvision.models, task["architecture"])(num_classes=task["classes"])
    if task["channels"] != 3:
        model.conv1 = torch.nn.Conv2d(task["channels"], 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model.train()


def build_optimizer(model, kind, learning_rate):
    return torch.optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=task["momentum"],
        weight_decay=task["weightDecay"],
        foreach=kind == "foreach",
        fused=kind == "fused",
    )


def fastest_optimizer(model):
    """The quickest of PyTorch's SGD implementations on gradients that are there already; a rate of 0 changes no weight."""
    medians = {}
    for kind in ("fused", "foreach", "loop"):
        try:
            optimizer = build_optimizer(model, kind, 0.0)
            seconds = []
            for _ in range(7):
                started = time.perf_counter()
                optimizer.step()
                seconds.append(time.perf_counter() - started)
            medians[kind] = statistics.median(seconds[2:])
        except (RuntimeError, TypeError):
            # An older PyTorch has no fused SGD on CPUs.
            continue
    return min(medians, key=medians.get)


def main():
    imported_bytes = status_bytes("VmHWM")
    torch.set_num_threads(len(task["cores"]))
    torch.manual_seed(0)
    layout = torch.channels_last if task["layout"] == "channels_last" else torch.contiguous_format
    model = build_model().to(memory_format=layout)
    images = torch.randn(task["globalBatch"], task["channels"], task["size"], task["size"]).to(memory_format=layout)
    labels = torch.randint(0, task["classes"], (task["globalBatch"],))
    criterion = torch.nn.CrossEntropyLoss()

    def loss_of(batch, targets):
        return criterion(model(batch), targets)

    forward = torch.compile(loss_of) if task["compile"] else loss_of

    def backward():
        loss = forward(images, labels)
        loss.backward()
        return loss

    backward()
    kind = task.get("optimizer") or fastest_optimizer(model)
    optimizer = build_optimizer(model, kind, task["learningRate"])

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = backward()
        optimizer.step()
        return loss.item()

    for _ in range(task["warmUpSteps"]):
        step()
    ready = {
        "version": torch.__version__,
        "torchvision": torchvision.__version__,
        "optimizer": kind,
        "threads": torch.get_num_threads(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "importedBytes": imported_bytes,
    }
    print(json.dumps({"ready": ready}), flush=True)
    for line in sys.stdin:
        seconds = []
        loss = None
        for _ in range(json.loads(line)["steps"]):
            started = time.perf_counter()
            loss = step()
            seconds.append(time.perf_counter() - started)
        print(json.dumps({"seconds": seconds, "loss": loss if math.isfinite(loss) else None}), flush=True)


main()
