#!/usr/bin/env python3
"""What PyTorch computes for the cases of cases.json, in float64 and float32, from generated weights and batches.

  reference.py probe                       versions, as one line of JSON
  reference.py numbers [CASE...]           makes numbers.json again, all of it or some cases (takes minutes)
  reference.py margins CASE FIRST LAST     seeds whose first step no ReLU decides by rounding, best first
  reference.py first-step FOLDER CASE      whole tensors of the first step, as FOLDER/first-step.{json,bin}
  reference.py steps FOLDER CASE SEED...   losses and weights after all steps, as FOLDER/seed-SEED.{json,bin}

Shards are run one after another: batch norm sees one shard, losses are scaled by 1/B, gradients and batch
statistics are added in a binary tree, neighbours first, and running statistics are updated once a step.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

HERE = Path(__file__).parent
SPEC = json.loads((HERE / "cases.json").read_text())
CASES = {case["name"]: case for case in SPEC["cases"]}
GRADIENT_BUCKETS, STATISTIC_BUCKETS, WEIGHT_BUCKETS = 8, 4, 128

# --- the generator of test/engine/generate.ts -------------------------------------------------------------------


def mix(x):
    """Mixes an array of uint32 (lowbias32)."""
    x = np.asarray(x, dtype=np.uint32).copy()
    with np.errstate(over="ignore"):
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x


def stream_key(seed, name):
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return int(mix((value + int(mix(seed))) & 0xFFFFFFFF))


def hashes(key, count):
    return mix((np.arange(count, dtype=np.uint64) + key).astype(np.uint32))


def uniform(key, count):
    return (hashes(key, count) >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def distribution(name, shape, batch_norms):
    layer, _, kind = name.rpartition(".")
    if kind == "num_batches_tracked":
        return 0, 0
    if kind == "running_mean":
        return 0, 0.1
    if kind == "running_var":
        return 1, 0.2
    if name.endswith(".bn3.weight"):
        return 0.2, 0.04
    if layer in batch_norms:
        return (1 if kind == "weight" else 0), 0.2
    if len(shape) == 4:
        return 0, np.sqrt(6 / (shape[0] * shape[2] * shape[3]))
    return 0, (np.sqrt(1 / shape[1]) if kind == "weight" else 0.05)


def generate_state(model, seed):
    batch_norms = {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    state = {}
    for name, tensor in model.state_dict().items():
        offset, scale = distribution(name, tensor.shape, batch_norms)
        values = offset + scale * uniform(stream_key(seed, name), tensor.numel())
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape).to(tensor.dtype)
    return state


def generate_batch(case, seed, step):
    channels, height, width = (case["input"][key] for key in ("channels", "height", "width"))
    count = case["globalBatch"]
    pixels = np.sqrt(3) * uniform(stream_key(seed, f"images.{step}"), count * channels * height * width)
    images = torch.from_numpy(pixels.astype(np.float32)).reshape(count, channels, height, width)
    labels = hashes(stream_key(seed, f"labels.{step}"), count) % np.uint32(case["classes"])
    return images, torch.from_numpy(labels.astype(np.int64))


# --- training ---------------------------------------------------------------------------------------------------


def build(case, seed, dtype):
    model = getattr(torchvision.models, case["architecture"].lower())(num_classes=case["classes"])
    channels = case["input"]["channels"]
    if channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    # The generated weights are float32 numbers in either precision.
    state = generate_state(model, seed)
    model = model.to(dtype)
    model.load_state_dict({name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()})
    return model.train()


def tree_sum(values):
    while len(values) > 1:
        values = [values[i] + values[i + 1] for i in range(0, len(values), 2)]
    return values[0]


def forward_backward(model, images, labels, shards):
    """Loss; leaves gradients in .grad and updates running statistics once."""
    if shards == 1:
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        return float(loss.detach())
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    running = [(norm.running_mean.clone(), norm.running_var.clone(), norm.num_batches_tracked + 1) for norm in norms]
    losses, gradients, statistics = [], [], []
    for norm in norms:
        norm.momentum = 1.0  # the running values become the shard's batch statistics
    for shard_images, shard_labels in zip(images.chunk(shards), labels.chunk(shards)):
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(shard_images), shard_labels, reduction="sum") / len(labels)
        loss.backward()
        losses.append(float(loss.detach()))
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        statistics.append([(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms])
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = tree_sum([shard[index] for shard in gradients])
    for index, (norm, (mean, variance, tracked)) in enumerate(zip(norms, running)):
        norm.momentum = 0.1
        norm.running_mean.copy_(0.9 * mean + 0.1 * tree_sum([shard[index][0] for shard in statistics]) / shards)
        norm.running_var.copy_(0.9 * variance + 0.1 * tree_sum([shard[index][1] for shard in statistics]) / shards)
        norm.num_batches_tracked.copy_(tracked)
    return tree_sum(losses)


def first_step(case, dtype):
    """Loss and gradients of one step, running statistics after it."""
    seed = case["firstStepSeed"]
    model = build(case, seed, dtype)
    images, labels = generate_batch(case, seed, 0)
    loss = forward_backward(model, images.to(dtype), labels, case["shards"])
    gradients = {name: as_array(parameter.grad) for name, parameter in model.named_parameters()}
    statistics = {name: as_array(value) for name, value in model.named_buffers() if "running" in name}
    return {"loss": loss, "gradients": gradients, "statistics": statistics}


def train(case, seed, dtype):
    """Losses of all steps, weights at the end."""
    model = build(case, seed, dtype)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=case["learningRate"], momentum=SPEC["momentum"], weight_decay=SPEC["weightDecay"]
    )
    losses = []
    for step in range(SPEC["steps"]):
        images, labels = generate_batch(case, seed, step)
        losses.append(forward_backward(model, images.to(dtype), labels, case["shards"]))
        optimizer.step()
    return {"losses": losses, "weights": {name: as_array(value) for name, value in model.named_parameters()}}


def margin(case, seed):
    """How far the first step is from a ReLU that rounding could switch: the smallest |pre-activation|, in units of
    float32 PyTorch's own rounding error in that layer (root mean square). One switched ReLU moves gradients by a
    percent or so, whatever computes them, so a tight comparison needs weights and a batch with none in reach."""
    values = {}
    for dtype in (torch.float64, torch.float32):
        model, seen = build(case, seed, dtype), []
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
                module.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].double()))
        with torch.no_grad():
            for shard in generate_batch(case, seed, 0)[0].to(dtype).chunk(case["shards"]):
                model(shard)
        values[dtype] = seen
    return min(
        float(exact.abs().min() / (exact - single).square().mean().sqrt())
        for exact, single in zip(values[torch.float64], values[torch.float32])
    )


def as_array(tensor):
    return tensor.detach().to(torch.float64).reshape(-1).numpy().copy()


def norm(tensors):
    return float(np.sqrt(sum(float(np.sum(values**2)) for values in tensors.values())))


def distance(a, b):
    """|a - b| / |b| over all tensors together."""
    return norm({name: a[name] - b[name] for name in b}) / norm(b)


# --- what is handed on ------------------------------------------------------------------------------------------


def sketch(values, name, buckets):
    """Signed sums over `buckets` random groups (a count sketch, as sketch.ts): its norm estimates that of values."""
    hashed = hashes(stream_key(0, f"sketch.{name}"), len(values))
    signs = (hashed & np.uint32(1)).astype(np.float64) * 2 - 1
    groups = (hashed >> np.uint32(1)) % np.uint32(buckets)
    return np.bincount(groups.astype(np.int64), weights=signs * values, minlength=buckets)


def rounded(values, digits):
    return [float(f"{value:.{digits}g}") for value in values]


def sketches(tensors, buckets):
    return {
        name: {"norm": rounded([np.linalg.norm(values)], 8)[0], "sketch": rounded(sketch(values, name, buckets), 8)}
        for name, values in tensors.items()
    }


def numbers(name):
    """What numbers.json holds of one case."""
    case = CASES[name]
    exact = first_step(case, torch.float64)
    first = {
        "loss": exact["loss"],
        "gradients": sketches(exact["gradients"], GRADIENT_BUCKETS),
        "statistics": sketches(exact["statistics"], STATISTIC_BUCKETS),
    }
    runs = []
    for seed in case["seeds"]:
        double, single = train(case, seed, torch.float64), train(case, seed, torch.float32)
        total = sum(sketch(values, tensor, WEIGHT_BUCKETS) for tensor, values in double["weights"].items())
        run = {
            "seed": seed,
            "losses64": rounded(double["losses"], 10),
            "losses32": rounded(single["losses"], 8),
            "weightSketch": rounded(total, 11),
            "weightNorm": rounded([norm(double["weights"])], 10)[0],
            "weightDistance32": rounded([distance(single["weights"], double["weights"])], 6)[0],
        }
        runs.append(run)
        print(name, seed, run["weightDistance32"], file=sys.stderr, flush=True)
    return {"firstStep": first, "runs": runs}


def update_numbers(names):
    path = HERE / "numbers.json"
    known = json.loads(path.read_text())["cases"] if path.exists() else {}
    for name in names or CASES:
        known[name] = numbers(name)
        cases = {case: known[case] for case in CASES if case in known}
        versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
        path.write_text(json.dumps({**versions, "cases": cases}, separators=(",", ":")) + "\n")


def live_first_step(folder, name):
    exact = first_step(CASES[name], torch.float64)
    write(folder, "first-step", exact, ["gradients", "statistics"], {"loss": exact["loss"]})


def live_steps(folder, name, seed):
    case = CASES[name]
    double, single = train(case, seed, torch.float64), train(case, seed, torch.float32)
    report = {
        "losses64": double["losses"],
        "losses32": single["losses"],
        "weightDistance32": distance(single["weights"], double["weights"]),
    }
    write(folder, f"seed-{seed}", double, ["weights"], report)


def write(folder, stem, result, groups, report):
    """Tensors go rounded to float32: 3e-8 of each value, far below any distance that is looked at."""
    tensors = [(tensor, values) for group in groups for tensor, values in result[group].items()]
    with open(Path(folder) / f"{stem}.bin", "wb") as file:
        for _, values in tensors:
            values.astype("<f4").tofile(file)
    report["tensors"] = [[tensor, len(values)] for tensor, values in tensors]
    (Path(folder) / f"{stem}.json").write_text(json.dumps(report))


def main(command, *arguments):
    # More threads gain little on these sizes and stall when the machine is busy.
    torch.set_num_threads(1)
    if command == "probe":
        print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__}))
    elif command == "numbers":
        update_numbers(arguments)
    elif command == "margins":
        name, first, last = arguments
        margins = [(margin(CASES[name], seed), seed) for seed in range(int(first), int(last) + 1)]
        for value, seed in sorted(margins, reverse=True)[:10]:
            print(f"seed {seed}: {value:.2f}")
    elif command == "first-step":
        live_first_step(*arguments)
    elif command == "steps":
        folder, name, *seeds = arguments
        for seed in seeds:
            live_steps(folder, name, int(seed))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
