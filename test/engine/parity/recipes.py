#!/usr/bin/env python3
"""What PyTorch computes for recipes.json: the learning rates of each schedule, and a small network trained by each
recipe in float64 and float32. Settings that the JSON leaves out are left to PyTorch's own defaults.

  recipes.py           the numbers, as JSON
  recipes.py numbers   makes recipe-numbers.json again (a minute)
"""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.optim import lr_scheduler

from reference import as_array, distance, generate_batch, generate_state, norm, rounded, sketch

HERE = Path(__file__).parent
SPEC = json.loads((HERE / "recipes.json").read_text())
STEPS, GLOBAL_BATCH = SPEC["steps"], SPEC["globalBatch"]
EPOCHS = 2  # of a recipe's steps, for schedules that count in epochs
WEIGHT_BUCKETS = 32


class EveryLayer(nn.Module):
    """`everyLayer` of test/engine/nets.ts."""

    shape = {"input": {"channels": 3, "height": 12, "width": 9}, "classes": 5, "globalBatch": GLOBAL_BATCH}

    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 6, kernel_size=5, stride=2, padding=2)
        self.main = conv_norm(6, 8, kernel_size=3, stride=2, padding=1)
        self.shortcut = conv_norm(6, 8, kernel_size=1, stride=2)
        self.inner = conv_norm(8, 8, kernel_size=3, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.stem(x).relu(), kernel_size=3, stride=2, padding=1)
        x = (self.main(x) + self.shortcut(x)).relu()
        x = (self.inner(x) + x).relu()
        return self.fc(x.mean((2, 3)))


def conv_norm(inputs, outputs, **window):
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(inputs, outputs, bias=False, **window), bn=nn.BatchNorm2d(outputs)))


def optimizer_of(settings, learning_rate, model):
    parameters = list(model.parameters())
    groups = [{"params": parameters}]
    if not settings.get("decayVectors", True):
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0},
        ]
    names = {"momentum": "momentum", "nesterov": "nesterov", "weightDecay": "weight_decay", "epsilon": "eps"}
    given = {names[name]: value for name, value in settings.items() if name in names}
    if "beta1" in settings:
        given["betas"] = (settings["beta1"], settings["beta2"])
    kind = {"SGD": torch.optim.SGD, "ADAM": torch.optim.Adam, "ADAMW": torch.optim.AdamW}[settings["kind"]]
    return kind(groups, lr=learning_rate, **given)


def scheduler_of(optimizer, case):
    schedule, learning_rate = case["schedule"], case["learningRate"]
    total = case["epochs"] * case["stepsPerEpoch"]
    steps = schedule.get("warmUpSteps", 0)

    def warm_up():
        return lr_scheduler.LinearLR(optimizer, start_factor=1 / steps, total_iters=steps - 1)

    if schedule["kind"] == "CONSTANT":
        return warm_up() if steps > 0 else lr_scheduler.ConstantLR(optimizer, factor=1)
    if schedule["kind"] == "STEP":
        size = schedule["stepEpochs"] * case["stepsPerEpoch"]
        decay = lr_scheduler.StepLR(optimizer, size, **pick(schedule, factor="gamma"))
        return lr_scheduler.ChainedScheduler([warm_up(), decay]) if steps > 0 else decay
    if schedule["kind"] == "COSINE":
        if steps == 0:
            return lr_scheduler.CosineAnnealingLR(optimizer, total, **pick(schedule, minimum="eta_min"))
        parts = [warm_up(), lr_scheduler.CosineAnnealingLR(optimizer, total - steps, **pick(schedule, minimum="eta_min"))]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[steps])
    given = pick(schedule, peakShare="pct_start")
    if "startFactor" in schedule:
        given["div_factor"] = 1 / schedule["startFactor"]
        given["final_div_factor"] = schedule["startFactor"] / schedule["endFactor"]
    return lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=total, cycle_momentum=False, **given)


def pick(settings, **names):
    return {theirs: settings[ours] for ours, theirs in names.items() if ours in settings}


def learning_rates(case):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=case["learningRate"])
    scheduler = scheduler_of(optimizer, case)
    rates = []
    for step in range(case["epochs"] * case["stepsPerEpoch"]):
        if step > 0:
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
    return rates


def train(recipe, seed, dtype):
    """Losses of all steps, weights at the end."""
    model = EveryLayer()
    state = generate_state(model, seed)
    model = model.to(dtype).train()
    model.load_state_dict({name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()})
    optimizer = optimizer_of(recipe["optimizer"], recipe["learningRate"], model)
    length = {"epochs": EPOCHS, "stepsPerEpoch": STEPS // EPOCHS}
    scheduler = scheduler_of(optimizer, {"schedule": {"kind": "CONSTANT"}, **length, **recipe})
    losses = []
    for step in range(STEPS):
        if step > 0:
            scheduler.step()
        images, labels = generate_batch(EveryLayer.shape, seed, step)
        optimizer.zero_grad()
        smoothing = recipe.get("labelSmoothing", 0.0)
        loss = nn.functional.cross_entropy(model(images.to(dtype)), labels, label_smoothing=smoothing)
        loss.backward()
        if "clipNorm" in recipe:
            nn.utils.clip_grad_norm_(model.parameters(), recipe["clipNorm"])
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, {name: as_array(value) for name, value in model.named_parameters()}


def run(recipe, seed):
    losses64, weights64 = train(recipe, seed, torch.float64)
    losses32, weights32 = train(recipe, seed, torch.float32)
    return {
        "losses64": rounded(losses64, 12),
        "losses32": rounded(losses32, 9),
        "weightSketch": rounded(sum(sketch(values, name, WEIGHT_BUCKETS) for name, values in weights64.items()), 12),
        "weightNorm": rounded([norm(weights64)], 12)[0],
        "weightDistance32": rounded([distance(weights32, weights64)], 6)[0],
    }


def numbers():
    torch.set_num_threads(1)
    return {
        "torch": torch.__version__,
        "learningRates": [learning_rates(case) for case in SPEC["schedules"]],
        "recipes": {recipe["name"]: [run(recipe, seed) for seed in SPEC["seeds"]] for recipe in SPEC["recipes"]},
    }


text = json.dumps(numbers(), separators=(",", ":")) + "\n"
if sys.argv[1:] == ["numbers"]:
    (HERE / "recipe-numbers.json").write_text(text)
else:
    sys.stdout.write(text)
