// The prefix rule as a table: what goes from the front of a file's names, and what stays.
import { describe, expect, test } from 'vitest'
import { stripPrefix } from '../../../src/trainer/checkpoints/loading/prefix.ts'
import { resnetNames } from '../../../src/trainer/checkpoints/loading/recognise.ts'
import { namesOf } from './resnet-shapes.ts'

const resnet18 = new Set(namesOf('RESNET18'))
const whole = [...resnet18]
const layer1 = whole.filter((name) => name.startsWith('layer1.'))

function under(prefix: string, names: readonly string[] = whole): string[] {
  return names.map((name) => prefix + name)
}

describe('the prefix', () => {
  test.each<[what: string, names: string[], prefix: string, matching: number, without: string[]]>([
    ['of a plain state dict is none', whole, '', 122, []],
    ['of DataParallel', under('module.'), 'module.', 122, []],
    ['of torch.compile', under('_orig_mod.'), '_orig_mod.', 122, []],
    ['of torch.compile inside DDP, two levels', under('module._orig_mod.'), 'module._orig_mod.', 122, []],
    ['of DataParallel twice', under('module.module.'), 'module.module.', 122, []],
    ['of a Lightning module', [...under('model.'), 'criterion.weight'], 'model.', 122, ['criterion.weight']],
    ['of any other attribute', under('net.backbone.'), 'net.backbone.', 122, []],
    ['that only looks like one stays', under('mlp_module.layer0.', ['weight', 'bias']), '', 0, []],
    ['is none where the file holds layer1 alone', layer1, '', layer1.length, []],
    ['is none where the file holds one block alone', layer1.slice(0, 12), '', 12, []],
    ['goes where layer1 alone is wrapped', under('module.', layer1), 'module.', layer1.length, []],
    [
      'goes where the head is elsewhere',
      [...under('backbone.', layer1), 'fc.weight'],
      'backbone.',
      layer1.length,
      ['fc.weight'],
    ],
    [
      'stays where more names are the model’s without it gone',
      ['module.conv1.weight', ...layer1],
      '',
      layer1.length,
      [],
    ],
    ['stays where it leads to as many', ['conv1.weight', 'module.conv1.weight'], '', 1, []],
    [
      'of two alike is the first',
      [...under('encoder_q.'), ...under('encoder_k.')],
      'encoder_q.',
      122,
      under('encoder_k.'),
    ],
    ['of nothing is none', [], '', 0, []],
    ['is never an empty level', ['.', '..', '...conv1', 'conv1.'], '', 0, []],
    ['may be an empty level that wraps all', under('.'), '.', 122, []],
  ])('%s', (_, names, prefix, matching, without) => {
    const found = stripPrefix(names, resnet18)
    expect(found.prefix).toBe(prefix)
    expect([...found.stripped.keys()].filter((name) => resnet18.has(name))).toHaveLength(matching)
    expect(found.without).toEqual(without)
    for (const [name, inFile] of found.stripped) expect(prefix + name).toBe(inFile)
  })

  test('is found as well where the file itself must tell the model', () => {
    const names = under('module.', namesOf('RESNET50'))
    expect(stripPrefix(names, resnetNames).prefix).toBe('module.')
  })

  test('takes no time where a name is a million levels', () => {
    const name = 'a.'.repeat(1_000_000)
    expect(stripPrefix([`${name}conv1.weight`], resnet18).prefix).toBe(name)
  })
})
