// The pickle interpreter alone: what Python wrote in every protocol, and forms that only old Pythons wrote.
import { describe, expect, test } from 'vitest'
import { createCursor } from '../../../../src/trainer/checkpoints/formats/pickle/cursor.ts'
import { createBudget } from '../../../../src/trainer/checkpoints/formats/pickle/machine.ts'
import { callPython } from '../../../../src/trainer/checkpoints/formats/pickle/python.ts'
import { readPickle } from '../../../../src/trainer/checkpoints/formats/pickle/read.ts'
import type { FileValue } from '../../../../src/trainer/checkpoints/formats/tensor-file.ts'
import { expected } from '../fixtures/expected.ts'
import { bytes } from './hand-made.ts'

function read(pickle: Buffer): FileValue {
  const budget = createBudget(pickle.length, 'it')
  const readSync = (target: Uint8Array, position: number) => void pickle.copy(target, 0, position)
  return readPickle(createCursor({ what: 'it', bytes: pickle.length, readSync }), {
    budget,
    loadPersistent: (id) => id,
    call: (name, args) => callPython(name, args, budget),
  })
}

const list = (...items: FileValue[]): FileValue => ({ kind: 'list', items })
const tuple = (...items: FileValue[]): FileValue => ({ kind: 'tuple', items })
const dict = (...entries: [FileValue, FileValue][]): FileValue => ({ kind: 'dict', entries: new Map(entries) })

describe('what Python wrote', () => {
  test.each(Object.entries(expected.pickles))('in protocol %s', (_, hex) => {
    expect(read(Buffer.from(hex, 'hex'))).toEqual(
      dict(
        ['none', null],
        ['true', true],
        ['false', false],
        ['ints', list(0, 1, 255, 256, 65535, 65536, 2 ** 31 - 1, -1, -(2 ** 31), 2 ** 31, 2 ** 53 - 1)],
        ['floats', list(0.5, -1e300, 3)],
        ['text', list('', 'plain', 'Grüße, 世界 🙂', 'line\nfeed', 'quote"\'\\')],
        ['bytes', Uint8Array.of(0, 255)],
        ['tuple', tuple(1, tuple(2, tuple()), tuple('a', 'b', 'c'), tuple(0, 1, 2, 3, 4))],
        ['set', { kind: 'set', items: [1] }],
        ['shared', list(list(1, 2), list(1, 2))],
        ['long', 'x'.repeat(300)],
      ),
    )
  })

  test('what is shared stays shared', () => {
    const root = read(Buffer.from(expected.pickles['2'] ?? '', 'hex'))
    const shared = (root as { entries: Map<FileValue, { items: FileValue[] }> }).entries.get('shared')
    expect(shared?.items[0]).toBe(shared?.items[1])
  })
})

test.each<[string, Buffer, FileValue]>([
  ['a string of Python 2', bytes("S'a\\x41\\n\\'\\101\\\\'\n."), "aA\n'A\\"],
  ['its bytes as UTF-8 where they can be', bytes('U\x02\xc3\xa9.'), 'é'],
  ['its bytes as latin-1 where not', bytes('T\x01\0\0\0\xe9.'), 'é'],
  ['a long of Python 2', bytes('L-12345678901234567890L\n.'), -12345678901234567890n],
  ['an empty long', bytes(0x8a, 0, '.'), 0],
  ['a negative long', bytes(0x8a, 1, 0x80, '.'), -128],
  ['infinity as text', bytes('F-inf\n.'), -Infinity],
  ['a dict to the mark', bytes('(I1\nNd.'), dict([1, null])],
  ['a set of a call', bytes('cbuiltins\nset\n((K\x01K\x02ltR.'), { kind: 'set', items: [1, 2] }],
  ['a torch.Size', bytes('ctorch\nSize\n((K\x02K\x03ttR.'), tuple(2, 3)],
  ['pairs of an OrderedDict', bytes('ccollections\nOrderedDict\n(((K\x01K\x02lltR.'), dict([1, 2])],
  ['a Counter', bytes('ccollections\nCounter\n}K\x1eK\x01s\x85R.'), dict([30, 1])],
  ['a defaultdict', bytes('ccollections\ndefaultdict\ncbuiltins\nint\n\x85RK\x01K\x02s.'), dict([1, 2])],
  ['a state that a dict has beside its entries', bytes('}K\x01b.'), dict()],
  ['a name', bytes('ctorch\nfloat16\n.'), { kind: 'global', name: 'torch.float16' }],
  [
    'an object with state, items and entries',
    bytes('ca.b\nC\n)\x81}K\x01K\x02sbK\x03aK\x04K\x05s.'),
    {
      ...{ kind: 'object', global: 'a.b.C', arguments: [], items: [3] },
      ...{ state: dict([1, 2]), entries: new Map([[4, 5]]) },
    },
  ],
  [
    'an object of a class in a class',
    bytes('cbuiltins\ngetattr\ncm\nOuter\nX\x05\0\0\0Inner\x86R(K\x01tR.'),
    { kind: 'object', global: 'm.Outer.Inner', arguments: [1], state: null, entries: new Map(), items: [] },
  ],
  [
    'an object of before protocol 2',
    bytes('ccopyreg\n_reconstructor\n(cm\nC\ncbuiltins\nobject\nNtR(K\x01K\x02db.'),
    { kind: 'object', global: 'm.C', arguments: [], state: dict([1, 2]), entries: new Map(), items: [] },
  ],
])('reads %s', (_, pickle, value) => {
  expect(read(pickle)).toEqual(value)
})

test('reads a pickle longer than a window, and leaves the cursor behind it', () => {
  const long = 'y'.repeat(200_000)
  const head = bytes('(X', Buffer.from(Uint32Array.of(long.length).buffer), long)
  const names = Buffer.concat(Array.from({ length: 9000 }, () => bytes('ctorch._utils\nname\n0')))
  const pickle = bytes(head, names, 'K\x07t.rest')
  const cursor = createCursor({
    what: 'it',
    bytes: pickle.length,
    readSync: (target, position) => void pickle.copy(target, 0, position),
  })
  const budget = createBudget(pickle.length, 'it')
  const meaning = { budget, loadPersistent: (id: FileValue) => id, call: () => null }
  expect(readPickle(cursor, meaning)).toEqual(tuple(long, 7))
  expect(cursor.take(4).toString()).toBe('rest')
})
