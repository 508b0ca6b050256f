"""The machine's peak as the largest matrix product of oneDNN reaches it, in fp32 and bf16, on the cores in argv[1].

Square products of several sizes, each repeated for a good while; the best single time of the best size counts, since
a disturbance can only slow it down. Prints {"version": of PyTorch, "FP32": {"flops": per second, "size": n}, "BF16": ...}.
"""

import json
import sys
import time

import side

cores = json.loads(sys.argv[1])
side.pin(cores)

import torch

sizes = (1024, 2048, 4096)
seconds_each = 1.0


def multiply(a, b):
    # oneDNN's inner product; torch.mm would take MKL for fp32.
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")


def best_seconds(work):
    work()
    times = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds_each:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def peak(dtype):
    rates = {}
    for size in sizes:
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        rates[size] = 2 * size**3 / best_seconds(lambda: multiply(a, b))
        if dtype is torch.bfloat16:
            # The same product by oneDNN's matmul primitive.
            rates[size] = max(rates[size], 2 * size**3 / best_seconds(lambda: torch.mm(a, b)))
    size = max(rates, key=rates.get)
    return {"flops": rates[size], "size": size}


torch.set_num_threads(len(cores))
print(json.dumps({"version": torch.__version__, "FP32": peak(torch.float32), "BF16": peak(torch.bfloat16)}))
