// A checkpoint as PyTorch's programs keep it: the state dict alone, or the training file of the ImageNet example.
import { invalidInput } from '../../../shared/errors.ts'
import type { ExportOptions } from '../../../shared/checkpoint-tool.ts'
import { torchStateDict, torchTensors, type TorchDict, type TorchValue } from '../formats/torch-writer.ts'
import { toRawTensors } from '../state-dict.ts'
import { toTorchOptimizer, type TorchSetting } from '../torch-optimizer/write.ts'
import type { ExportSource } from './source.ts'

/** @throws TrainqlError `INVALID_INPUT` where a training file is asked for and there is no optimiser's state. */
export function torchContent(
  source: ExportSource,
  { modulePrefix, trainingFile }: Pick<ExportOptions, 'modulePrefix' | 'trainingFile'>,
): TorchDict {
  const weights = torchStateDict(source.state, modulePrefix ? 'module.' : '')
  return trainingFile ? trainingDict(source, weights) : weights
}

/** https://github.com/pytorch/examples/blob/main/imagenet/main.py, `save_checkpoint`; without its scheduler. */
function trainingDict({ graph, optimizer, origin }: ExportSource, weights: TorchDict): TorchDict {
  if ('missing' in optimizer) {
    throw invalidInput({
      field: 'trainingFile',
      message: `Expected a checkpoint with an optimiser's state for a training file; ${optimizer.missing}.`,
      fix: 'Export the state dict alone, or a checkpoint that a run wrote.',
    })
  }
  const { settings, learningRate, state } = optimizer
  const inTorch = toTorchOptimizer({ graph, optimizer: settings, learningRate, state })
  return dict({
    epoch: BigInt(origin.epoch ?? 0),
    arch: graph.architecture,
    state_dict: weights,
    ...(origin.accuracy === null ? {} : { best_acc1: origin.accuracy }),
    optimizer: dict({
      state: {
        kind: 'dict',
        entries: new Map(
          [...inTorch.state].map(([number, slots]) => [
            BigInt(number),
            { kind: 'dict', entries: torchTensors(toRawTensors(slots)).entries },
          ]),
        ),
      },
      param_groups: {
        kind: 'list',
        items: inTorch.groups.map((group) =>
          dict(Object.fromEntries(Object.entries(group).map(([name, setting]) => [name, settingValue(name, setting)]))),
        ),
      },
    }),
  })
}

function settingValue(name: string, setting: TorchSetting): TorchValue {
  if (setting === null || typeof setting === 'boolean' || typeof setting === 'number') return setting
  // Numbers of parameters are ints; betas are a pair of floats.
  return name === 'params' ? { kind: 'list', items: setting.map(BigInt) } : { kind: 'tuple', items: setting }
}

function dict(entries: Record<string, TorchValue>): TorchDict {
  return { kind: 'dict', entries: new Map(Object.entries(entries)) }
}
