// The .pth writer: what it writes is read back here, and by PyTorch where it is installed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openBytes } from '../../../../src/trainer/checkpoints/formats/file-bytes.ts'
import { openTensorFile } from '../../../../src/trainer/checkpoints/formats/open.ts'
import {
  encodeTorchFile,
  torchStateDict,
  torchTensors,
  type EncodedFile,
  type TorchTensor,
  type TorchValue,
} from '../../../../src/trainer/checkpoints/formats/torch-writer.ts'
import type { FileValue } from '../../../../src/trainer/checkpoints/formats/tensor-file.ts'
import { isDict, isSequence, isTensor } from '../../../../src/trainer/checkpoints/formats/file-values.ts'
import { encodeZip } from '../../../../src/trainer/checkpoints/formats/zip-writer.ts'
import { entryRun, readZipDirectory } from '../../../../src/trainer/checkpoints/formats/zip.ts'
import type { StateDict } from '../../../../src/trainer/engine.ts'
import { tryPython } from '../../../engine/parity/python.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'
import { asExpected, tensorsByPath } from '../fixtures/expected.ts'

const state: StateDict = new Map([
  ['conv1.weight', { shape: [2, 1, 3, 3], data: Float32Array.from({ length: 18 }, (_, index) => index / 8 - 1) }],
  ['bn1.weight', { shape: [2], data: Float32Array.of(1.5, -0) }],
  ['bn1.bias', { shape: [2], data: Float32Array.of(0.1, 3.4028234663852886e38) }],
  ['bn1.running_mean', { shape: [2], data: Float32Array.of(0, 1e-45) }],
  ['bn1.running_var', { shape: [2], data: Float32Array.of(1, 2) }],
  ['bn1.num_batches_tracked', { shape: [], data: Float32Array.of(70_000) }],
  ['fc.weight', { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['fc.bias', { shape: [3], data: Float32Array.of(7, 8, 9) }],
])

const shared: TorchTensor = {
  kind: 'tensor',
  dtype: 'F32',
  shape: [2],
  bytes: Buffer.from(Float32Array.of(1, 2).buffer),
}
const list = (...items: TorchValue[]): TorchValue => ({ kind: 'list', items })
const tuple = (...items: TorchValue[]): TorchValue => ({ kind: 'tuple', items })
const dict = (...entries: [TorchValue, TorchValue][]): TorchValue => ({ kind: 'dict', entries: new Map(entries) })

const trainingFile = dict(
  ['epoch', 3n],
  ['arch', 'resnet18'],
  ['best', 61.5],
  ['state_dict', torchStateDict(state, 'module.')],
  ['optimizer', dict(['state', dict([0n, dict(['exp_avg', shared])], [1n, dict(['exp_avg', shared])])], ['lr', 1])],
  ['ints', list(0n, 255n, 256n, -1n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 31n, 2n ** 62n, -(2n ** 63n), 2n ** 64n)],
  ['floats', list(0.1, -1e300, Infinity)],
  ['rest', list(null, true, false, '', 'Grüße 🙂', tuple(), tuple(0.9), tuple(0.9, 0.999), list(), dict())],
  ['many', list(...Array.from({ length: 300 }, (_, index) => `text ${index}`), 'text 299', 'text 0')],
  ['empty', { kind: 'tensor', dtype: 'F32', shape: [0, 3], bytes: new Uint8Array() }],
)

const files: Record<string, EncodedFile> = {
  'state-dict.pth': encodeTorchFile(torchStateDict(state)),
  'state-dict-wide.pth': encodeTorchFile(torchStateDict(state), { wideFrom: 1 }),
  'training.pth': encodeTorchFile(trainingFile),
}

function write({ pieces, byteLength }: EncodedFile): string {
  const path = join(temporaryFolder(), 'written.pth')
  const bytes = Buffer.concat([...pieces])
  expect(bytes.length).toBe(byteLength)
  writeFileSync(path, bytes)
  return path
}

async function read(path: string): Promise<{ root: FileValue; tensors: Record<string, unknown> }> {
  const file = await openTensorFile(path)
  try {
    const tensors: Record<string, unknown> = {}
    for (const [name, tensor] of tensorsByPath(file.root))
      tensors[name] = asExpected(tensor, await file.readFloats(tensor))
    return { root: file.root, tensors }
  } finally {
    await file.close()
  }
}

const stateTensors = Object.fromEntries(
  [...state].map(([name, { shape, data }]) => {
    const dtype = name.endsWith('tracked') ? 'I64' : 'F32'
    const tensor = { kind: 'tensor', dtype, shape, strides: [], offset: 0 } as const
    return [name, asExpected({ ...tensor, storage: { key: '', dtype, elements: 0, device: '' } }, data)]
  }),
)

/** As read.py tells of Python's values. */
function plain(value: FileValue): unknown {
  if (isTensor(value)) return 'tensor'
  if (isDict(value)) return [...value.entries].map(([key, item]) => [plain(key), plain(item)])
  return isSequence(value, 'list', 'tuple') ? [value.kind, value.items.map(plain)] : value
}

describe('what it writes is read here', () => {
  test.each(['state-dict.pth', 'state-dict-wide.pth'])('%s', async (name) => {
    expect((await read(write(files[name]!))).tensors).toEqual(stateTensors)
  })

  test('training.pth', async () => {
    const { root, tensors } = await read(write(files['training.pth']!))
    const prefixed = Object.entries(stateTensors).map(([name, told]) => [`state_dict/module.${name}`, told])
    const moment = { dtype: 'float32', shape: [2], values: [1, 2] }
    expect(tensors).toEqual({
      ...Object.fromEntries(prefixed),
      'optimizer/state/0/exp_avg': moment,
      'optimizer/state/1/exp_avg': moment,
      empty: { dtype: 'float32', shape: [0, 3], values: [] },
    })
    const [, , , , , ints, floats, rest] = (isDict(root) ? [...root.entries.values()] : []).map(plain)
    expect(ints).toEqual([
      'list',
      [0, 255, 256, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2n ** 62n, -(2n ** 63n), 2n ** 64n],
    ])
    expect(floats).toEqual(['list', [0.1, -1e300, Infinity]])
    expect(rest).toEqual([
      'list',
      [null, true, false, '', 'Grüße 🙂', ['tuple', []], ['tuple', [0.9]], ['tuple', [0.9, 0.999]], ['list', []], []],
    ])
  })

  test('each record begins at a multiple of 64, and says its CRC-32', async () => {
    const file = await openBytes(write(files['training.pth']!))
    try {
      const runs = [...readZipDirectory(file).values()].map((entry) => entryRun(file, entry))
      expect(runs.length).toBe(8 + 2 + 3)
      expect(runs.map(({ at }) => (at ?? 1) % 64)).toEqual(runs.map(() => 0))
    } finally {
      await file.close()
    }
  })

  test('a tensor that comes twice is written once', () => {
    const once = encodeTorchFile(list(shared, shared)).byteLength
    const twice = encodeTorchFile(list(shared, { ...shared })).byteLength
    expect(twice - once).toBeGreaterThan(100)
  })

  test('tensors of other dtypes', async () => {
    const half = new Map([['x', { dtype: 'F16', shape: [2], bytes: Buffer.from('003c00c0', 'hex') } as const]])
    const { tensors } = await read(write(encodeTorchFile(torchTensors(half))))
    expect(tensors).toEqual({ x: { dtype: 'float16', shape: [2], values: [1, -2] } })
  })
})

test('a record of another length than said is refused', () => {
  const { pieces } = encodeZip([{ name: 'x', bytes: 2, content: () => new Uint8Array(3) }])
  expect(() => [...pieces]).toThrow(new RangeError('expected 2 bytes of x; got 3'))
})

test('PyTorch reads it: weights_only, strict, with the same types', async (context) => {
  const paths = Object.values(files).map(write)
  const read = await tryPython('../../trainer/checkpoints/formats/read.py', ...paths)
  if ('missing' in read) return context.skip(read.missing)
  const [plainState, wide, training] = JSON.parse(read.stdout) as Record<string, unknown>[]
  expect(plainState).toMatchObject({ tensors: stateTensors, strict: '<All keys matched successfully>', storages: 8 })
  expect(wide).toEqual(plainState)
  // The moment is one storage for two parameters; an empty tensor has none.
  expect(training).toMatchObject({ storages: 8 + 2 })
  const int = (value: bigint) => ['int', `${value}`]
  const float = (value: string) => ['float', value]
  const text = (value: string) => ['str', value]
  const [kind, entries] = training?.['plain'] as [string, [unknown, unknown][]]
  expect(kind).toBe('dict')
  const named = new Map(entries.map(([key, item]) => [(key as [string, string])[1], item]))
  expect(named.get('epoch')).toEqual(int(3n))
  expect(named.get('arch')).toEqual(text('resnet18'))
  expect(named.get('best')).toEqual(float('61.5'))
  expect((named.get('state_dict') as unknown[])[0]).toBe('OrderedDict')
  const moments = [0n, 1n].map((index) => [int(index), ['dict', [[text('exp_avg'), 'tensor']]]])
  expect(named.get('optimizer')).toEqual([
    'dict',
    [
      [text('state'), ['dict', moments]],
      [text('lr'), float('1.0')],
    ],
  ])
  expect(named.get('ints')).toEqual([
    'list',
    [0n, 255n, 256n, -1n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 31n, 2n ** 62n, -(2n ** 63n), 2n ** 64n].map(int),
  ])
  expect(named.get('floats')).toEqual(['list', [float('0.1'), float('-1e+300'), float('inf')]])
  expect(named.get('rest')).toEqual([
    'list',
    [
      ['NoneType', 'None'],
      ['bool', 'True'],
      ['bool', 'False'],
      ...[text(''), text('Grüße 🙂'), ['tuple', []]],
      ['tuple', [float('0.9')]],
      ['tuple', [float('0.9'), float('0.999')]],
      ...[
        ['list', []],
        ['dict', []],
      ],
    ],
  ])
  const many = (named.get('many') as [string, unknown[]])[1]
  expect(many.slice(-3)).toEqual([text('text 299'), text('text 299'), text('text 0')])
})
