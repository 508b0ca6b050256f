"""The PyTorch side of `npm run bench -- train`: trains one task on torchvision's ResNet and answers over stdin.

Takes the task as JSON in argv[1]; prints {"ready": ...}; then answers, one JSON line for each line:
{"open": {"layout", "compile", "precision", "optimizer"}} builds the model so, warms it up, and says {"opened": ...};
{"steps": n} trains n steps of what was opened last and says {"seconds": [...], "loss": x}. Ends with its input.
"""

import gc
import json
import math
import sys
import time

import side

task = json.loads(sys.argv[1])
side.pin(task["cores"])

import torch
import torchvision


def open_model(variant):
    torch.manual_seed(0)
    # What another variant compiled is not this one's.
    torch.compiler.reset()
    model = side.build_model(task, variant)
    images = torch.randn(task["globalBatch"], task["channels"], task["size"], task["size"])
    images = images.to(memory_format=side.memory_format(variant))
    labels = torch.randint(0, task["classes"], (task["globalBatch"],))
    loss_of = side.build_loss(model, variant)
    loss_of(images, labels).backward()
    kind = variant.get("optimizer") or side.fastest_optimizer(model, task)
    train_on = side.build_step(loss_of, side.build_optimizer(model, task, kind, task["learningRate"]))

    def step():
        return train_on(images, labels)

    seconds = [timed(step)[0] for _ in range(task["warmUpSteps"])]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return step, {"optimizer": kind, "parameters": parameters, "secondsPerStep": min(seconds)}


def timed(step):
    started = time.perf_counter()
    loss = step()
    return time.perf_counter() - started, loss


def answer(message):
    print(json.dumps(message), flush=True)


def main():
    imported_bytes = side.status_bytes("VmHWM")
    torch.set_num_threads(len(task["cores"]))
    answer(
        {
            "ready": {
                "version": torch.__version__,
                "torchvision": torchvision.__version__,
                "threads": torch.get_num_threads(),
                "importedBytes": imported_bytes,
            }
        }
    )
    step = None
    for line in sys.stdin:
        request = json.loads(line)
        if "open" in request:
            # The earlier model's memory first.
            step = None
            gc.collect()
            step, opened = open_model(request["open"])
            answer({"opened": opened})
        else:
            turns = [timed(step) for _ in range(request["steps"])]
            loss = turns[-1][1]
            answer({"seconds": [seconds for seconds, _ in turns], "loss": loss if math.isfinite(loss) else None})


main()
