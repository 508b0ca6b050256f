// Lays out a zip archive of stored entries as PyTorch reads it: each entry's bytes begin at a multiple of 64.
// Format: APPNOTE.TXT of PKWARE, 4.3 and 4.5.3 (zip64).
import { crc32 } from 'node:zlib'
import {
  centralHeaderBytes,
  endBytes,
  localHeaderBytes,
  narrowMost,
  signatures,
  zip64EndBytes,
  zip64LocatorBytes,
} from './zip-format.ts'

export interface ZipRecord {
  name: string
  bytes: number
  /** The record's content, when it is its turn. */
  content: () => Uint8Array
}

/** A file of known length as pieces to be written one after another. */
export interface EncodedFile {
  byteLength: number
  pieces: Iterable<Uint8Array>
}

export interface ZipOptions {
  /** Sizes and offsets from here on are written in 64 bits. Only tests choose another. */
  wideFrom?: number
}

const alignment = 64
const wideLocalBytes = 20
/** 1 January 1980, the first day there is. */
const date = 0x21
const utf8Names = 0x800
const paddingField = 0x4246

interface Placed extends ZipRecord {
  nameBytes: Buffer
  headerAt: number
  wideSize: boolean
  /** Of the extra field that aligns the content. */
  paddingBytes: number
}

/** @throws RangeError where a record's content is not as long as it was said to be. */
export function encodeZip(records: readonly ZipRecord[], { wideFrom = narrowMost }: ZipOptions = {}): EncodedFile {
  const placed: Placed[] = []
  let at = 0
  for (const record of records) {
    const next = place(record, at, wideFrom)
    placed.push(next)
    at = next.headerAt + headerBytes(next) + record.bytes
  }
  const directoryAt = at
  const directoryBytes = placed.reduce(
    (sum, record) => sum + centralHeaderBytes + record.nameBytes.length + wideFields(record, wideFrom).length,
    0,
  )
  const end = endRecords({ entries: placed.length, at: directoryAt, bytes: directoryBytes })
  return { byteLength: directoryAt + directoryBytes + end.length, pieces: { [Symbol.iterator]: pieces } }

  function* pieces(): Iterator<Uint8Array> {
    const directory: Buffer[] = []
    for (const record of placed) {
      const content = record.content()
      if (content.length !== record.bytes)
        throw new RangeError(`expected ${record.bytes} bytes of ${record.name}; got ${content.length}`)
      const checksum = crc32(content)
      directory.push(centralHeader(record, checksum, wideFrom))
      yield localHeader(record, checksum)
      yield content
    }
    yield Buffer.concat([...directory, end])
  }
}

function place(record: ZipRecord, headerAt: number, wideFrom: number): Placed {
  const nameBytes = Buffer.from(record.name, 'utf8')
  const wideSize = record.bytes >= wideFrom
  const least = headerAt + localHeaderBytes + nameBytes.length + (wideSize ? wideLocalBytes : 0)
  const gap = (alignment - (least % alignment)) % alignment
  // An extra field has 4 bytes at least.
  const paddingBytes = gap > 0 && gap < 4 ? gap + alignment : gap
  return { ...record, nameBytes, headerAt, wideSize, paddingBytes }
}

function headerBytes({ nameBytes, wideSize, paddingBytes }: Placed): number {
  return localHeaderBytes + nameBytes.length + (wideSize ? wideLocalBytes : 0) + paddingBytes
}

function localHeader(record: Placed, checksum: number): Buffer {
  const { nameBytes, bytes, wideSize, paddingBytes } = record
  const header = Buffer.alloc(headerBytes(record))
  header.writeUInt32LE(signatures.localHeader)
  writeCommon(header, 4, { checksum, bytes, wideSize })
  header.writeUInt16LE(nameBytes.length, 26)
  header.writeUInt16LE((wideSize ? wideLocalBytes : 0) + paddingBytes, 28)
  let at = localHeaderBytes + nameBytes.copy(header, localHeaderBytes)
  if (wideSize) at += wideField([bytes, bytes]).copy(header, at)
  if (paddingBytes > 0) {
    header.writeUInt16LE(paddingField, at)
    header.writeUInt16LE(paddingBytes - 4, at + 2)
  }
  return header
}

function centralHeader(record: Placed, checksum: number, wideFrom: number): Buffer {
  const { nameBytes, bytes, wideSize, headerAt } = record
  const extra = wideFields(record, wideFrom)
  const header = Buffer.alloc(centralHeaderBytes)
  header.writeUInt32LE(signatures.centralHeader)
  header.writeUInt16LE(45, 4)
  writeCommon(header, 6, { checksum, bytes, wideSize })
  header.writeUInt16LE(nameBytes.length, 28)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt32LE(headerAt >= wideFrom ? narrowMost : headerAt, 42)
  return Buffer.concat([header, nameBytes, extra])
}

interface Common {
  checksum: number
  bytes: number
  wideSize: boolean
}

/** Version, flags, method (stored), time, date, checksum and both sizes: the same in both kinds of header. */
function writeCommon(header: Buffer, at: number, { checksum, bytes, wideSize }: Common): void {
  header.writeUInt16LE(45, at)
  header.writeUInt16LE(utf8Names, at + 2)
  header.writeUInt16LE(date, at + 8)
  header.writeUInt32LE(checksum, at + 10)
  header.writeUInt32LE(wideSize ? narrowMost : bytes, at + 14)
  header.writeUInt32LE(wideSize ? narrowMost : bytes, at + 18)
}

/** What of an entry does not fit in 32 bits, in the order the format asks for. */
function wideFields({ bytes, wideSize, headerAt }: Placed, wideFrom: number): Buffer {
  const values = [...(wideSize ? [bytes, bytes] : []), ...(headerAt >= wideFrom ? [headerAt] : [])]
  return values.length === 0 ? Buffer.alloc(0) : wideField(values)
}

function wideField(values: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length)
  field.writeUInt16LE(1)
  field.writeUInt16LE(8 * values.length, 2)
  for (const [index, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * index)
  return field
}

/** The end in 64 bits, where it is, and the end in 32 bits with what fits. */
function endRecords({ entries, at, bytes }: { entries: number; at: number; bytes: number }): Buffer {
  const wide = Buffer.alloc(zip64EndBytes)
  wide.writeUInt32LE(signatures.zip64End)
  wide.writeBigUInt64LE(44n, 4)
  wide.writeUInt16LE(45, 12)
  wide.writeUInt16LE(45, 14)
  wide.writeBigUInt64LE(BigInt(entries), 24)
  wide.writeBigUInt64LE(BigInt(entries), 32)
  wide.writeBigUInt64LE(BigInt(bytes), 40)
  wide.writeBigUInt64LE(BigInt(at), 48)
  const locator = Buffer.alloc(zip64LocatorBytes)
  locator.writeUInt32LE(signatures.zip64Locator)
  locator.writeBigUInt64LE(BigInt(at + bytes), 8)
  locator.writeUInt32LE(1, 16)
  const end = Buffer.alloc(endBytes)
  end.writeUInt32LE(signatures.end)
  end.writeUInt16LE(Math.min(entries, 0xffff), 8)
  end.writeUInt16LE(Math.min(entries, 0xffff), 10)
  end.writeUInt32LE(Math.min(bytes, narrowMost), 12)
  end.writeUInt32LE(Math.min(at, narrowMost), 16)
  return Buffer.concat([wide, locator, end])
}
