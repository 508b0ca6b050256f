// Files made to run something, to hang, or to eat memory: each is inert data, or refused with words.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileValue } from '../../../../src/trainer/checkpoints/formats/tensor-file.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'
import * as made from './hand-made.ts'

const { bytes, int, storage, tensor, text, tuple, uint32, uint64, zipOf } = made

function times(count: number, part: Uint8Array | string): Buffer {
  const once = bytes(part)
  return Buffer.alloc(count * once.length, once)
}

/** None, remembered under so many numbers. */
function remembered(count: number): Buffer {
  const puts = Buffer.alloc(5 * count, 'r')
  for (let index = 0; index < count; index += 1) puts.writeUInt32LE(index, 5 * index + 1)
  return bytes('N', puts)
}

const dict = (...entries: [FileValue, FileValue][]): FileValue => ({ kind: 'dict', entries: new Map(entries) })

async function rootOf(pickle: Uint8Array): Promise<FileValue> {
  return (await made.readAll(zipOf(pickle))).root
}

describe('what would run in Python is a name and its arguments here', () => {
  const object = (global: string, args: FileValue[]) => ({ kind: 'object', global, arguments: args, state: null })

  test.each<[how: string, pickle: (file: string) => Buffer, global: string]>([
    ['REDUCE', (file) => bytes('cposix\nsystem\n', tuple(text(`touch ${file}`)), 'R'), 'posix.system'],
    ['STACK_GLOBAL', (file) => bytes(text('os'), text('system'), 0x93, tuple(text(`touch ${file}`)), 'R'), 'os.system'],
    ['INST', (file) => bytes('(', text(`touch ${file}`), 'ios\nsystem\n'), 'os.system'],
    ['OBJ', (file) => bytes('(cos\nsystem\n', text(`touch ${file}`), 'o'), 'os.system'],
    ['NEWOBJ', (file) => bytes('cos\nsystem\n', tuple(text(`touch ${file}`)), 0x81), 'os.system'],
    [
      'a rebuilder that is not on the list',
      (file) => bytes('ctorch.storage\n_load_from_bytes\n', tuple(text(`touch ${file}`)), 'R'),
      'torch.storage._load_from_bytes',
    ],
  ])('%s', async (_, pickle, global) => {
    const file = join(temporaryFolder(), 'touched')
    expect(await rootOf(pickle(file))).toMatchObject(object(global, [`touch ${file}`]))
    expect(existsSync(file)).toBe(false)
  })

  test('names of JavaScript are keys and names like others', async () => {
    const root = await rootOf(
      bytes(
        '}(',
        text('__proto__'),
        '}',
        text('polluted'),
        'I01\n',
        's',
        text('constructor'),
        'c__proto__\nconstructor\n',
        'u',
      ),
    )
    const global = { kind: 'global', name: '__proto__.constructor' } as const
    expect(root).toEqual(dict(['__proto__', dict(['polluted', true])], ['constructor', global]))
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('what grows without bytes in the file is refused', () => {
  const beyond = /expected values within 33554432 bytes of memory; found more\.$/
  // A list of 1,000 pairs, remembered, and copied again and again.
  const pairs = bytes('](', times(1000, tuple(int(1), int(2))), 'e')
  test.each<[string, Buffer]>([
    ['dicts', times(400_000, '}')],
    ['lists in lists', times(400_000, ']')],
    ['copies on the stack', bytes('N', times(2_000_000, '2'))],
    ['marks', times(2_000_000, '(')],
    ['remembered values', remembered(500_000)],
    [
      'copies of a list',
      bytes('ccollections\nOrderedDict\nq\x00', tuple(pairs), 'q\x01', times(2_000, '0h\x00h\x01R')),
    ],
  ])('%s', async (_, pickle) => {
    await expect(rootOf(pickle)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringMatching(beyond) as string,
    })
  })

  test('but a list that holds itself, and lists of lists of the same lists, are read', async () => {
    const laughs = bytes(']q\x00', ...Array.from({ length: 60 }, () => bytes('](h\x00h\x00eq\x00')), 'h\x00')
    const { values } = await made.readAll(zipOf(laughs))
    expect(values).toEqual([])
    expect(await rootOf(bytes(']q\x00h\x00a'))).toMatchObject({ kind: 'list' })
  })

  test('and what nests 50,000 deep', async () => {
    const { values } = await made.readAll(zipOf(bytes(times(50_000, ']'), tensor(), times(50_000, 'a'))))
    expect(values).toEqual([Float32Array.of(1, 2, 3, 4)])
  })
})

describe('lengths beyond the file', () => {
  const ended = /expected the rest of a pickle; found its end at byte \d+\.$/
  test.each<[string, Buffer]>([
    ['BINUNICODE', bytes('X', uint32(0xffffffff))],
    ['BINUNICODE8', bytes(0x8d, uint64(2n ** 63n))],
    ['BINBYTES8', bytes(0x8e, uint64(2n ** 64n - 1n))],
    ['BYTEARRAY8', bytes(0x96, uint64(2n ** 40n))],
    ['a line without end', bytes('c', times(10_000, 'x'))],
    ['a truncated float', bytes('G', 1, 2)],
  ])('%s', async (_, pickle) => {
    await expect(rootOf(pickle)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringMatching(ended) as string,
    })
  })
})

describe('pickles that mean nothing', () => {
  test.each<[string, Buffer, string]>([
    ['an integer of 2^31 bytes', bytes(0x8b, uint32(2 ** 31)), 'expected integers of at most 256 bytes'],
    ['nothing at all', bytes(), 'expected a value on the stack'],
    ['a value below the mark', bytes('N(a'), 'expected a value on the stack'],
    ['no mark', bytes('Nt'), 'expected a mark on the stack'],
    ['a value never remembered', bytes('h\x07'), 'expected a value remembered as 7'],
    ['a later protocol', bytes(0x80, 6), 'expected protocol 0 to 5'],
    ['an unknown operation', bytes(0xff), 'expected an operation'],
    ['a registered extension', bytes(0x82, 1), 'expected a name rather than a number'],
    ['bytes beside the file', bytes(0x97), 'expected bytes within the file'],
    ['a call of a number', bytes('K\x01)R'), 'expected something to call'],
    ['arguments that are no tuple', bytes('cos\nsystem\n]R'), 'expected a tuple of arguments'],
    ['an item for a number', bytes('K\x01NNs'), 'expected a dict to set items of'],
    ['a key without a value', bytes('}(Nu'), 'expected a value for each key'],
    ['a string that is not UTF-8', bytes('X', uint32(1), 0xff), 'expected a string in UTF-8'],
    ['a number of letters', bytes('Iten\n'), 'expected a whole number'],
    [
      'a reference to something else',
      bytes(tuple(text('module'), bytes('N')), 'Q'),
      'expected a reference to a storage',
    ],
  ])('%s', async (_, pickle, message) => {
    await expect(rootOf(pickle)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })
})

describe('tensors that do not lie in their storage', () => {
  test.each<[string, Buffer, string]>([
    [
      'more elements than its record has',
      tensor({}, storage({ elements: 5 })),
      'expected 20 bytes of storage "0"; found a record of 16 bytes',
    ],
    ['a record that is not there', tensor({}, storage({ key: '../0' })), 'expected a record data/../0; found none'],
    ['a negative storage', tensor({}, storage({ elements: -4 })), 'expected a storage with type, key and size'],
    ['a size beyond', tensor({ size: [5] }), 'found elements up to 5 of a storage of 4'],
    ['an offset beyond', tensor({ offset: 1 }), 'found elements up to 5 of a storage of 4'],
    ['a stride beyond', tensor({ size: [2], stride: [4] }), 'found elements up to 5 of a storage of 4'],
    ['a negative size', tensor({ size: [-1] }), 'expected a tensor with counts'],
    ['a negative stride', tensor({ stride: [-1] }), 'expected a tensor with counts'],
    ['a negative offset', tensor({ offset: -1 }), 'expected a tensor with counts'],
    ['an offset of 2^64', tensor({ offset: 2n ** 64n }), 'expected a tensor with counts'],
    [
      'sizes whose product overflows',
      tensor({ size: [2 ** 40, 2 ** 40], stride: [0, 0] }),
      'elements over a storage of 4',
    ],
    [
      'a storage repeated for ever',
      tensor({ size: [2 ** 30], stride: [0] }),
      'found 1073741824 elements over a storage of 4',
    ],
    ['fewer strides than sizes', tensor({ size: [2, 2] }), 'found 2 sizes with 1 strides'],
    [
      '65 dimensions',
      tensor({ size: Array.from({ length: 65 }, () => 1), stride: Array.from({ length: 65 }, () => 1) }),
      'found 65 dimensions',
    ],
  ])('%s', async (_, pickle, message) => {
    await expect(rootOf(pickle)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })

  test('of a type that is not read here stay inert, beside others that are read', async () => {
    const complex = tensor({ size: [2] }, storage({ type: 'ComplexFloatStorage', elements: 2 }))
    const { root, values } = await made.readAll(zipOf(bytes('](', complex, tensor(), 'e')))
    expect(root).toMatchObject({
      items: [{ kind: 'object', global: 'torch._utils._rebuild_tensor_v2' }, { kind: 'tensor' }],
    })
    expect(values).toEqual([Float32Array.of(1, 2, 3, 4)])
  })
})

describe('archives that lie', () => {
  const sound = zipOf(tensor())
  const edited = (change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(sound)
    change(copy)
    return copy
  }
  const directory = sound.indexOf('PK\x01\x02')
  const end = sound.indexOf('PK\x05\x06')
  const wideEnd = sound.indexOf('PK\x06\x06')
  const second = sound.indexOf('PK\x01\x02', directory + 1)
  const zeros = new Uint8Array(64 * 1024 * 1024)

  test.each<[string, () => Buffer, string]>([
    [
      'cut short',
      () => sound.subarray(0, 300),
      'expected a zip archive with its directory at the end; found none, so it is cut short',
    ],
    ['entries that overlap', () => edited((copy) => copy.writeUInt32LE(0, second + 42)), 'expected zip entry'],
    [
      'a directory elsewhere',
      () => edited((copy) => copy.writeUInt32LE(7, end + 16)),
      'expected one zip directory; found two ends that disagree',
    ],
    [
      'a 64-bit directory elsewhere',
      () => edited((copy) => copy.writeBigUInt64LE(2n ** 63n, wideEnd + 48)),
      'expected a count of at most',
    ],
    [
      'more entries than there are',
      () => edited((copy) => copy.writeBigUInt64LE(5n, wideEnd + 24)),
      'expected a zip64 end of one archive',
    ],
    [
      'an entry beyond the file',
      () => edited((copy) => copy.writeUInt32LE(0x7fffffff, directory + 42)),
      'expected zip entry',
    ],
    ['an encrypted entry', () => edited((copy) => copy.writeUInt16LE(1, directory + 8)), 'found an encrypted one'],
    ['an unknown method', () => edited((copy) => copy.writeUInt16LE(93, directory + 10)), 'found method 93'],
    ['two names for an entry', () => edited((copy) => copy.write('X', 30)), 'found "Xrchive/data.pkl"'],
    ['a changed byte', () => edited((copy) => copy.writeUInt8(1, sound.indexOf(made.fourFloats))), 'bytes of CRC-32'],
    [
      'a name twice',
      () =>
        made.archive([
          ['a/data.pkl', bytes('N.')],
          ['a/data.pkl', bytes('N.')],
        ]),
      'found "a/data.pkl" twice',
    ],
    [
      'no pickle',
      () => made.archive([['a/data.txt', bytes('N.')]]),
      'expected a zip archive with one data.pkl, as torch.save writes; found 1 entries: "a/data.txt"',
    ],
    ['TorchScript', () => zipOf(bytes('N'), { 'constants.pkl': bytes('N.') }), 'found a TorchScript archive'],
    [
      'another byte order',
      () => zipOf(bytes('N'), { byteorder: bytes('middle') }),
      'expected byteorder "little" or "big"; found "middle"',
    ],
    [
      'a pickle that inflates a thousandfold',
      () => made.deflatedArchive('a/data.pkl', zeros),
      'expected a data.pkl of at most 8388608 bytes; found 67108864',
    ],
    [
      'a pickle that inflates to less',
      () => made.deflatedArchive('a/data.pkl', bytes('N.'), 1000),
      'expected 1000 bytes out of compressed ones; found fewer',
    ],
  ])('%s', async (_, file, message) => {
    await expect(made.readAll(file())).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })

  test('an archive of a big-endian machine is read in its order', async () => {
    const records = { byteorder: bytes('big'), 'data/0': Buffer.from(made.fourFloats).swap32() }
    expect((await made.readAll(zipOf(tensor(), records))).values).toEqual([Float32Array.of(1, 2, 3, 4)])
  })
})

describe('legacy files that lie', () => {
  const keys = bytes('](', text('0'), 'e.')
  const behind = bytes(keys, uint64(4n), made.fourFloats)
  const legacyStorage = bytes('(', text('storage'), 'ctorch\nFloatStorage\n', text('0'), text('cpu'), 'K\x04', 'NtQ')
  const sound = tensor({}, legacyStorage)

  test('a sound one is read', async () => {
    expect((await made.readAll(made.legacyOf(sound, behind))).values).toEqual([Float32Array.of(1, 2, 3, 4)])
  })

  test('a view of a storage has its own offset', async () => {
    const view = tuple(text('1'), int(1), int(3))
    const viewed = bytes('(', text('storage'), 'ctorch\nFloatStorage\n', text('0'), text('cpu'), 'K\x04', view, 'tQ')
    const { values } = await made.readAll(made.legacyOf(tensor({ size: [2], offset: 1 }, viewed), behind))
    expect(values).toEqual([Float32Array.of(3, 4)])
  })

  test.each<[string, Buffer, string]>([
    ['another magic number', bytes(0x80, 2, 'K\x01.'), 'expected a file of torch.save; found a pickle of number'],
    ['a plain pickle', bytes(0x80, 2, '}.'), 'expected a file of torch.save; found a plain pickle'],
    ['no keys', made.legacyOf(sound, bytes('}.')), 'expected a list of storage keys behind the model; found dict'],
    [
      'a key that the model does not name',
      made.legacyOf(sound, bytes('](', text('7'), 'e.')),
      'expected the key of a storage that the model names',
    ],
    [
      'a key twice',
      made.legacyOf(sound, bytes('](', text('0'), text('0'), 'e.', behind.subarray(keys.length))),
      'expected the key of a storage that the model names, once',
    ],
    [
      'a storage left out',
      made.legacyOf(sound, bytes('].')),
      'expected storage "0" behind the model; found none, so the file is cut short',
    ],
    [
      'another number of elements',
      made.legacyOf(sound, bytes(keys, uint64(2n ** 63n), made.fourFloats)),
      'expected 4 elements of storage "0"; found 9223372036854775808',
    ],
    ['storages cut short', made.legacyOf(sound, behind.subarray(0, -1)), 'expected storage "0" up to byte'],
  ])('%s', async (_, file, message) => {
    await expect(made.readAll(file)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })
})

describe('other files are named for what they are', () => {
  test.each([
    ['', 'found an empty file'],
    ['hello, this is text', 'found something else'],
    [`${'\0'.repeat(257)}ustar`, 'found a tar archive'],
    ['\x1f\x8b\x08', 'found a gzip archive'],
    ['\x89HDF\r\n', 'found an HDF5 file'],
    ['version https://git-lfs.github.com/spec/v1', 'found a pointer of Git LFS'],
    ['<!doctype html>', 'found a web page'],
  ])('%j', async (content, message) => {
    await expect(made.readAll(bytes(content))).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })
})
