# Reads what the export tests wrote with other people's software, and prints one JSON line of what it found.
import json, sys

import numpy as np

action, file, *rest = sys.argv[1:]

if action == 'onnx':
    # file.onnx, images as raw float32, their shape: what the checker and the runtime make of it.
    import onnx
    import onnxruntime

    images, *shape = rest
    onnx.checker.check_model(file, full_check=True)
    model = onnx.load(file)
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    batch = np.fromfile(images, np.float32).reshape([int(size) for size in shape])
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
