// Writes protocol-buffer messages (https://protobuf.dev/programming-guides/encoding) without copying their large parts:
// a message is a list of pieces whose lengths are known before any of the large ones is made.

/** Bytes, or bytes that are made when they are written. */
export type Piece = Uint8Array | { byteLength: number; make: () => Uint8Array }

/** One field, tag included; a message is its fields, one after another. */
export interface Field {
  byteLength: number
  pieces: readonly Piece[]
}

const wireTypes = { varint: 0, lengthDelimited: 2, fixed32: 5 } as const

/** int32, int64 or an enum that is not negative. */
export function int(field: number, value: number): Field {
  return whole([...tag(field, 'varint'), ...varint(value)])
}

export function float(field: number, value: number): Field {
  const word = Buffer.alloc(4)
  word.writeFloatLE(value)
  return whole([...tag(field, 'fixed32'), ...word])
}

export function text(field: number, value: string): Field {
  return bytes(field, Buffer.from(value, 'utf8'))
}

export function bytes(field: number, value: Piece): Field {
  return delimited(field, value.byteLength, [value])
}

/** A message inside a message. */
export function nested(field: number, fields: readonly Field[]): Field {
  return delimited(
    field,
    lengthOf(fields),
    fields.flatMap(({ pieces }) => pieces),
  )
}

export function lengthOf(fields: readonly Field[]): number {
  return fields.reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** The pieces of a message, small ones put together: one write for each would cost more than their bytes. */
export function joinPieces(fields: readonly Field[]): Piece[] {
  const joined: Piece[] = []
  let small: Uint8Array[] = []
  const join = (): void => {
    if (small.length > 0) joined.push(Buffer.concat(small))
    small = []
  }
  for (const piece of fields.flatMap(({ pieces }) => pieces)) {
    if (piece instanceof Uint8Array) small.push(piece)
    else {
      join()
      joined.push(piece)
    }
  }
  join()
  return joined
}

function delimited(field: number, byteLength: number, pieces: readonly Piece[]): Field {
  const head = Uint8Array.from([...tag(field, 'lengthDelimited'), ...varint(byteLength)])
  return { byteLength: head.length + byteLength, pieces: [head, ...pieces] }
}

function whole(content: readonly number[]): Field {
  return { byteLength: content.length, pieces: [Uint8Array.from(content)] }
}

function tag(field: number, type: keyof typeof wireTypes): number[] {
  return varint(field * 8 + wireTypes[type])
}

/** Seven bits a byte, the lowest first; by division, because shifts end at 32 bits. */
function varint(value: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a whole number from 0: ${value}`)
  const encoded: number[] = []
  while (value >= 128) {
    encoded.push((value % 128) + 128)
    value = Math.floor(value / 128)
  }
  return [...encoded, value]
}
