"""The PyTorch side of the `epoch-…` rows: Fashion-MNIST through torch.utils.data.DataLoader, answers over stdin.

Takes in argv[1] {"task", "cores", "folder", "variant", "augment"}; prints {"ready": ...} when data and model are there;
then, one JSON line for each line: {"loader": {"workers": n, "batched": bool}, "steps": n} trains n steps through that
loader and says {"seconds": [...], "loss": x}; {"loader": ..., "steps": null} trains one whole epoch and says the
same with its wall seconds as the only time. Ends with its input.
"""

import gzip
import json
import math
import os
import sys
import time

import side

order = json.loads(sys.argv[1])
side.pin(order["cores"])

import numpy
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset
from torchvision.transforms import v2

task, variant = order["task"], order["variant"]


def read_idx(name):
    path = os.path.join(order["folder"], name)
    opened = gzip.open(path + ".gz", "rb") if os.path.exists(path + ".gz") else open(path, "rb")
    with opened as file:
        content = file.read()
    dimensions = content[3]
    sizes = numpy.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return numpy.frombuffer(content, dtype=numpy.uint8, offset=4 + 4 * dimensions).reshape(sizes).copy()


class Augmented(Dataset):
    """Random crop and flip of each image, as torchvision's references do it."""

    def __init__(self, images, labels, mean, deviation):
        self.images, self.labels = images, labels
        size = images.shape[-1]
        self.transform = v2.Compose(
            [
                v2.RandomCrop(size, padding=order["augment"]["padding"]),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([mean], [deviation]),
            ]
        )

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def build_dataset():
    images = torch.from_numpy(read_idx("train-images-idx3-ubyte"))[:, None]  # (N, 1, H, W)
    labels = torch.from_numpy(read_idx("train-labels-idx1-ubyte")).long()
    scaled = images.float() / 255
    mean, deviation = scaled.mean().item(), scaled.std().item()
    if order["augment"] is not None:
        return Augmented(images, labels, mean, deviation)
    return TensorDataset((scaled - mean) / deviation, labels)


def build_loader(dataset, workers, batched):
    batch = task["globalBatch"]
    if batched:
        # The batch is indexed at once: PyTorch's "disabled automatic batching".
        sampler = BatchSampler(RandomSampler(dataset), batch, drop_last=True)
        return DataLoader(dataset, sampler=sampler, batch_size=None)
    return DataLoader(
        dataset, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )


def train(loader, step, steps):
    """Seconds of each step, its batch's loading counted in; and the last loss."""
    seconds, loss = [], None
    started = time.perf_counter()
    for images, labels in loader:
        loss = step(images.to(memory_format=side.memory_format(variant)), labels)
        now = time.perf_counter()
        seconds.append(now - started)
        started = now
        if len(seconds) == steps:
            break
    return seconds, loss


def answer(message):
    print(json.dumps(message), flush=True)


def main():
    torch.set_num_threads(len(order["cores"]))
    torch.manual_seed(0)
    dataset = build_dataset()
    model = side.build_model(task, variant)
    loss_of = side.build_loss(model, variant)
    step = side.build_step(loss_of, side.build_optimizer(model, task, variant["optimizer"], task["learningRate"]))
    loaders = {}
    train(build_loader(dataset, 0, order["augment"] is None), step, 3)
    answer({"ready": {"version": torch.__version__, "images": len(dataset)}})
    for line in sys.stdin:
        request = json.loads(line)
        workers, batched, steps = request["loader"]["workers"], request["loader"]["batched"], request["steps"]
        if (workers, batched) not in loaders:
            # The last one's workers end with it.
            loaders.clear()
            loaders[workers, batched] = build_loader(dataset, workers, batched)
        began = time.perf_counter()
        seconds, loss = train(loaders[workers, batched], step, steps)
        if steps is None:
            seconds = [time.perf_counter() - began]
        answer({"seconds": seconds, "loss": loss if math.isfinite(loss) else None})


main()
