# Crops, flips and padding by torchvision itself, for torchvision.test.ts: cases on stdin, pixels and boxes on stdout (JSON).
import json
import sys

import torch
import torchvision
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms import transforms

torch.set_default_dtype(torch.float64)


def pixels(case):
    image = torch.tensor(case["bytes"], dtype=torch.float32).reshape(case["shape"])
    top, left, height, width = case["box"]
    size = case["output"]
    if (height, width) != tuple(size):
        bilinear = InterpolationMode.BILINEAR
        image = F.resized_crop(image, top, left, height, width, size, bilinear, antialias=False)
    padding = case["padding"]
    image = F.crop(F.pad(image, padding), case["top"] + padding, case["left"] + padding, *size)
    return (F.hflip(image) if case["flipped"] else image).flatten().tolist()


def validation_pixels(case):
    image = torch.tensor(case["bytes"], dtype=torch.float32).reshape(case["shape"])
    larger = F.resize(image, case["shorter"], InterpolationMode.BILINEAR, antialias=True)
    return F.center_crop(larger, case["output"]).flatten().tolist()


class Draws:
    """Stands in for torch inside RandomResizedCrop: gives the uniform numbers of the case, and 0 for every whole one."""

    def __init__(self, uniforms):
        self.uniforms = iter(uniforms)
        self.log, self.exp, self.tensor = torch.log, torch.exp, torch.tensor

    def empty(self, _):
        return self

    def uniform_(self, low, high):
        return torch.as_tensor(low + (high - low) * next(self.uniforms))

    def randint(self, low, high, size):
        return torch.zeros(size, dtype=torch.int64)


def size_of(case):
    transforms.torch = Draws(case["uniforms"])
    try:
        image = torch.zeros(1, *case["stored"])
        _, _, height, width = transforms.RandomResizedCrop.get_params(image, case["scale"], case["ratio"])
    finally:
        transforms.torch = torch
    return [height, width]


request = json.load(sys.stdin)
json.dump(
    {
        "torchvision": torchvision.__version__,
        "pixels": [pixels(case) for case in request["pixels"]],
        "validation": [validation_pixels(case) for case in request["validation"]],
        "sizes": [size_of(case) for case in request["sizes"]],
    },
    sys.stdout,
)
