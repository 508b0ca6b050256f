# Reads what the export tests wrote with other people's software, and prints one JSON line of what it found.
import json
import sys

import numpy as np

action, *rest = sys.argv[1:]


def floats(path, shape):
    return np.fromfile(path, np.float32).reshape([int(size) for size in shape])


def resnet(state):
    """torchvision's ResNet-18 for a state dict: classes and input channels are in its shapes."""
    import torch
    import torchvision

    model = torchvision.models.resnet18(num_classes=state['fc.bias'].numel())
    _, channels, *_ = state['conv1.weight'].shape
    model.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return model


if action == 'probe':
    # Whether the rest can run here.
    import torch
    import torchvision

    print(torch.__version__, torchvision.__version__)

elif action == 'onnx':
    # file.onnx, images as raw float32, their shape: what the checker and the runtime make of it.
    import onnx
    import onnxruntime

    file, images, *shape = rest
    onnx.checker.check_model(file, full_check=True)
    model = onnx.load(file)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    batch = floats(images, shape)
    (logits,) = session.run(['logits'], {'images': batch})
    print(json.dumps({
        'opset': [(entry.domain, entry.version) for entry in model.opset_import],
        'producer': model.producer_name,
        'metadata': {entry.key: entry.value for entry in model.metadata_props},
        'operators': sorted({node.op_type for node in model.graph.node}),
        'inputs': [(value.name, value.shape) for value in session.get_inputs()],
        'outputs': [(value.name, value.shape) for value in session.get_outputs()],
        'logits': logits.flatten().tolist(),
    }))

elif action == 'torch':
    # file.pth, images as raw float32, their shape: a state dict, with `module.` or without.
    import torch

    file, images, *shape = rest
    state = torch.load(file, weights_only=True)
    wrapped = all(name.startswith('module.') for name in state)
    model = resnet({name.removeprefix('module.'): tensor for name, tensor in state.items()} if wrapped else state)
    whole = torch.nn.DataParallel(model) if wrapped else model
    whole.load_state_dict(state, strict=True)
    whole.eval()
    with torch.inference_mode():
        logits = whole(torch.from_numpy(floats(images, shape)))
    print(json.dumps({
        'torch': torch.__version__,
        'type': type(state).__name__,
        'names': list(state),
        'dtypes': sorted({str(tensor.dtype) for tensor in state.values()}),
        'wrapped': wrapped,
        'logits': logits.flatten().tolist(),
    }))

elif action == 'training':
    # file.pth, class of torch.optim, images as raw float32, labels as raw int32, shape of the images of all steps:
    # the losses of training on from there.
    import torch

    file, kind, images, labels, *shape = rest
    training = torch.load(file, weights_only=True)
    groups = training['optimizer']['param_groups']
    steps = torch.from_numpy(floats(images, shape))
    targets = torch.from_numpy(np.fromfile(labels, np.int32).astype(np.int64)).reshape(steps.shape[:2])

    def train(state):
        model = resnet(training['state_dict'])
        model.load_state_dict(training['state_dict'], strict=True)
        parameters = list(model.parameters())
        if len(groups) == 2:
            parameters = [{'params': [p for p in parameters if (p.ndim > 1) == weights]} for weights in (True, False)]
        # Everything is the file's: a rate like this would not go unnoticed.
        optimizer = getattr(torch.optim, kind)(parameters, lr=99.0)
        optimizer.load_state_dict(state)
        model.train()
        losses = []
        for batch, target in zip(steps, targets):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(batch), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    print(json.dumps({
        'keys': list(training),
        'sizes': [len(group['params']) for group in groups],
        'losses': train(training['optimizer']),
        # What it would be without the moments.
        'forgotten': train({'state': {}, 'param_groups': groups}),
    }))
