// Damages checkpoint files in ways that reach every layer of their readers: container, directory, pickle, header.
import { createRandom, type Random } from '../../src/trainer/random.ts'
import { encodeZip } from '../../src/trainer/checkpoints/formats/zip-writer.ts'

/** A sound file, taken apart as far as its layers go. */
export interface Sound {
  name: string
  bytes: Buffer
  /** Of a zip archive: what it holds, by name. */
  records: ReadonlyMap<string, Buffer> | null
}

export interface Mutant {
  /** Which file, and what was done to it. */
  what: string
  bytes: Buffer
}

/** The same mutant for the same number, whatever came before. */
export function mutant(sound: readonly Sound[], number: number): Mutant {
  const random = createRandom({ seed: number, stream: 'shapes', substream: 0 })
  const victim = pick(random, sound)
  const layer = pick(random, layersOf(victim))
  return { what: `mutant ${number}, of ${victim.name} (${layer})`, bytes: damage(random, { victim, layer, sound }) }
}

type Layer = 'container' | 'directory' | 'pickle' | 'header'

function layersOf({ records, bytes }: Sound): readonly Layer[] {
  // The pickle's layer most often: it is the deepest.
  if (records !== null) return ['container', 'directory', 'pickle', 'pickle', 'pickle']
  if (bytes.toString('latin1', 0, 2) === 'PK') return ['container', 'directory']
  return bytes[0] === 0x80 ? ['container', 'pickle', 'pickle'] : ['container', 'header', 'header']
}

interface Damage {
  victim: Sound
  layer: Layer
  sound: readonly Sound[]
}

function damage(random: Random, { victim, layer, sound }: Damage): Buffer {
  const { bytes, records } = victim
  switch (layer) {
    case 'container':
      return mutate(random, bytes, 0, bytes.length)
    // A zip's directory is its end.
    case 'directory':
      return mutate(random, bytes, Math.max(0, bytes.length - 2048), bytes.length)
    case 'pickle': {
      const donor = pick(random, sound)
      const pickles =
        donor.records === null ? donor.bytes : (findRecord(donor.records, /data\.pkl$/)?.[1] ?? donor.bytes)
      if (records === null) return mutatePickle(random, bytes, pickles)
      return rebuild(records, (pickle) => mutatePickle(random, pickle, pickles))
    }
    case 'header': {
      const length = Number(bytes.readBigUInt64LE())
      const header = mutate(random, bytes.subarray(8, 8 + length), 0, length)
      const head = Buffer.alloc(8)
      head.writeBigUInt64LE(BigInt(header.length))
      return Buffer.concat([head, header, bytes.subarray(8 + length)])
    }
    default:
      return layer satisfies never
  }
}

/** A sound archive again, with another pickle: checksums and offsets are right, so that the pickle is read. */
function rebuild(records: ReadonlyMap<string, Buffer>, change: (pickle: Buffer) => Buffer): Buffer {
  const changed = [...records].map(([name, content]) => {
    const bytes = name.endsWith('data.pkl') ? change(content) : content
    return { name, bytes: bytes.length, content: () => bytes }
  })
  return Buffer.concat([...encodeZip(changed).pieces])
}

function findRecord(records: ReadonlyMap<string, Buffer>, name: RegExp): [string, Buffer] | undefined {
  return [...records].find(([known]) => name.test(known))
}

type Change = (random: Random, bytes: Buffer, at: number) => Buffer

const edges = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** What is done to bytes that mean anything. */
const changes: readonly Change[] = [
  // One bit.
  (random, bytes, at) => edit(bytes, (copy) => (copy[at] = (copy[at] as number) ^ (1 << random.below(8)))),
  // One byte.
  (random, bytes, at) => edit(bytes, (copy) => (copy[at] = random.below(256))),
  // A count that lies at an edge, of 1, 2, 4 or 8 bytes.
  (random, bytes, at) =>
    edit(bytes, (copy) => {
      const count = Buffer.alloc(8)
      count.writeBigUInt64LE(pick(random, edges))
      count.copy(copy, at, 0, pick(random, [1, 2, 4, 8]))
    }),
  // Cut short.
  (_, bytes, at) => Buffer.from(bytes.subarray(0, at)),
  // Some bytes gone.
  (random, bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16))]),
  // Some bytes twice, or many times.
  (random, bytes, at) => {
    const piece = bytes.subarray(at, at + 1 + random.below(32))
    const times = random.below(8) === 0 ? 1000 : 1
    return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => piece), bytes.subarray(at)])
  },
  // Some bytes of elsewhere.
  (random, bytes, at) =>
    edit(bytes, (copy) => bytes.copy(copy, at, random.below(bytes.length), random.below(bytes.length))),
]

function mutate(random: Random, bytes: Buffer, from: number, to: number): Buffer {
  let result = bytes
  for (let count = 1 + random.below(4); count > 0 && result.length > 0; count -= 1) {
    const end = Math.min(to, result.length)
    if (end <= from) break
    result = pick(random, changes)(random, result, from + random.below(end - from))
  }
  return result
}

/** Codes of a pickle that make something of what is there: containers, calls, memory. */
const codes = Buffer.from(
  '()]}tdlaesu0122RbioQcqrhjg.N\x85\x86\x87\x81\x88\x89\x8f\x90\x91\x92\x93\x94\x95\x8a\x8b\x8c\x8d\x8e\x96KMJGXUTBC',
  'latin1',
)

function mutatePickle(random: Random, pickle: Buffer, donor: Buffer): Buffer {
  // Of a file of several pickles and storages behind them: the part where pickles are.
  const end = Math.min(pickle.length, 8192)
  let result = pickle
  for (let count = 1 + random.below(3); count > 0 && result.length > 0; count -= 1) {
    const at = random.below(Math.min(end, result.length))
    switch (random.below(4)) {
      case 0:
        result = edit(result, (copy) => (copy[at] = pick(random, [...codes])))
        break
      case 1: {
        const inserted = Buffer.from(Array.from({ length: 1 + random.below(8) }, () => pick(random, [...codes])))
        const times = random.below(6) === 0 ? 2000 : 1
        const pieces = Array.from({ length: times }, () => inserted)
        result = Buffer.concat([result.subarray(0, at), ...pieces, result.subarray(at)])
        break
      }
      case 2: {
        const start = random.below(donor.length)
        result = Buffer.concat([
          result.subarray(0, at),
          donor.subarray(start, start + random.below(200)),
          result.subarray(at),
        ])
        break
      }
      default:
        result = mutate(random, result, 0, end)
    }
  }
  return result
}

function edit(bytes: Buffer, change: (copy: Buffer) => unknown): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)] as T
}
