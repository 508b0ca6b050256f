"""PyTorch's side of the `checkpoint` bench: one request a line, {"make": path}, {"load": path} or {"save": path}.

Prints {"ready": ...} when torch is imported and has loaded and saved something small; answers {"seconds": s, "peakBytes": b},
memory beyond what the process had before.
"""

import json
import os
import sys
import tempfile
import time

import side

cores = json.loads(sys.argv[1])["cores"]
side.pin(cores)

import torch
import torchvision

state = None


def forget_peak():
    """Resets the process's peak to what it has now, and says what that is."""
    with open("/proc/self/clear_refs", "w", encoding="utf8") as file:
        file.write("5")
    return side.status_bytes("VmRSS")


def measured(work):
    before = forget_peak()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    return result, {"seconds": seconds, "peakBytes": side.status_bytes("VmHWM") - before}


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "small.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    torch.load(path, weights_only=True)
torch.set_num_threads(len(cores))
print(json.dumps({"ready": {"version": torch.__version__}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "make" in request:
        torch.save(torchvision.models.resnet152().state_dict(), request["make"])
        answer = {"bytes": os.path.getsize(request["make"])}
    elif "load" in request:
        state = None
        state, answer = measured(lambda: torch.load(request["load"], weights_only=True))
    else:
        _, answer = measured(lambda: torch.save(state, request["save"]))
    print(json.dumps(answer), flush=True)
