"""What every PyTorch side of a bench has in common: its cores, its model, its optimiser, its step, its memory.

Imported before torch, so that the cores are set when torch sizes its thread pools.
"""

import os
import statistics
import time


def pin(cores):
    os.sched_setaffinity(0, cores)


def status_bytes(field):
    """A memory figure of this process from /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="utf8") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return None


def memory_format(variant):
    import torch

    return torch.channels_last if variant["layout"] == "channels_last" else torch.contiguous_format


def build_model(task, variant):
    import torch
    import torchvision

    model = getattr(torchvision.models, task["architecture"])(num_classes=task["classes"])
    if task["channels"] != 3:
        model.conv1 = torch.nn.Conv2d(task["channels"], 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model.train().to(memory_format=memory_format(variant))


def build_loss(model, variant):
    """(images, labels) -> loss: fp32 as it is, bf16 by autocast (fp32 weights, as PyTorch's documentation has it)."""
    import torch

    criterion = torch.nn.CrossEntropyLoss()

    def loss_of(images, labels):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant["precision"] == "BF16"):
            return criterion(model(images), labels)

    return torch.compile(loss_of) if variant["compile"] else loss_of


def build_optimizer(model, task, kind, learning_rate):
    import torch

    return torch.optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=task["momentum"],
        weight_decay=task["weightDecay"],
        foreach=kind == "foreach",
        fused=kind == "fused",
    )


def fastest_optimizer(model, task):
    """The quickest of PyTorch's SGD implementations on gradients that are there already; a rate of 0 changes no weight."""
    medians = {}
    for kind in ("fused", "foreach", "loop"):
        try:
            optimizer = build_optimizer(model, task, kind, 0.0)
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


def build_step(loss_of, optimizer):
    def step(images, labels):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
