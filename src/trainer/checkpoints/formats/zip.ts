// Reads a zip archive's directory, believing none of it: entries lie inside the file, apart from one another.
// Format: APPNOTE.TXT of PKWARE, 4.3 and 4.5.3 (zip64).
import { deflatedRun, storedRun, type ByteRun } from './byte-run.ts'
import { invalidFile, type FileBytes } from './file-bytes.ts'
import {
  centralHeaderBytes,
  endBytes,
  localHeaderBytes,
  narrowMost,
  signatures,
  zip64EndBytes,
  zip64LocatorBytes,
} from './zip-format.ts'

const longestComment = 0xffff
/** A checkpoint has an entry for each tensor. */
const mostEntries = 200_000
const encrypted = 1

export interface ZipEntry {
  name: string
  method: number
  crc32: number
  compressedBytes: number
  bytes: number
  headerAt: number
  /** Where the next entry, or the directory, begins: this one ends before. */
  endsBefore: number
}

export type ZipDirectory = ReadonlyMap<string, ZipEntry>

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export function readZipDirectory(file: FileBytes): ZipDirectory {
  const { entries: count, at, bytes } = findDirectory(file)
  if (count > mostEntries) throw invalidFile(file.what, `at most ${mostEntries} entries in a zip archive`, `${count}`)
  if (count * centralHeaderBytes > bytes)
    throw invalidFile(file.what, `a zip directory with room for its ${count} entries`, `${bytes} bytes`)
  const directory = Buffer.allocUnsafe(bytes)
  file.readSync(directory, at)
  const entries = new Map<string, ZipEntry>()
  let cursor = 0
  for (let index = 0; index < count; index += 1) {
    const { entry, next } = parseEntry(directory, cursor, file.what)
    if (entries.has(entry.name)) throw invalidFile(file.what, 'each zip entry once', `${shown(entry.name)} twice`)
    entries.set(entry.name, entry)
    cursor = next
  }
  if (cursor !== bytes) throw invalidFile(file.what, `a zip directory of ${cursor} bytes`, `${bytes}`)
  keepApart([...entries.values()], at, file.what)
  return entries
}

/** An entry's content, found through its own header. @throws TrainqlError `CHECKPOINT_INVALID` */
export function entryRun(file: FileBytes, entry: ZipEntry): ByteRun {
  const { name, method, compressedBytes, bytes, headerAt, endsBefore } = entry
  const header = Buffer.allocUnsafe(localHeaderBytes)
  file.readSync(header, headerAt)
  if (header.readUInt32LE() !== signatures.localHeader)
    throw invalidFile(file.what, `the header of zip entry ${shown(name)} at ${headerAt}`, 'something else')
  if (header.readUInt16LE(8) !== method)
    throw invalidFile(file.what, `zip entry ${shown(name)} by one method`, 'two that disagree')
  const nameBytes = Buffer.allocUnsafe(header.readUInt16LE(26))
  file.readSync(nameBytes, headerAt + localHeaderBytes)
  if (nameBytes.toString('utf8') !== name)
    throw invalidFile(file.what, `zip entry ${shown(name)} at ${headerAt}`, shown(nameBytes.toString('utf8')))
  const at = headerAt + localHeaderBytes + nameBytes.length + header.readUInt16LE(28)
  if (at + compressedBytes > endsBefore)
    throw invalidFile(file.what, `zip entry ${shown(name)} to end before ${endsBefore}`, `${at + compressedBytes}`)
  // PyTorch writes 0 where it was told to compute none.
  const crc32 = entry.crc32 === 0 ? null : entry.crc32
  return method === 0 ? storedRun(file, at, { bytes, crc32 }) : deflatedRun(file, { at, compressedBytes, bytes, crc32 })
}

interface DirectoryPlace {
  entries: number
  at: number
  bytes: number
}

function findDirectory(file: FileBytes): DirectoryPlace {
  const tail = Buffer.allocUnsafe(Math.min(file.bytes, endBytes + longestComment))
  file.readSync(tail, file.bytes - tail.length)
  let end = tail.length - endBytes
  while (
    end >= 0 &&
    !(tail.readUInt32LE(end) === signatures.end && end + endBytes + tail.readUInt16LE(end + 20) === tail.length)
  )
    end -= 1
  if (end < 0) throw invalidFile(file.what, 'a zip archive with its directory at the end', 'none, so it is cut short')
  const endAt = file.bytes - tail.length + end
  const place: DirectoryPlace & { disks: number } = {
    disks:
      tail.readUInt16LE(end + 4) |
      tail.readUInt16LE(end + 6) |
      (tail.readUInt16LE(end + 8) ^ tail.readUInt16LE(end + 10)),
    entries: tail.readUInt16LE(end + 10),
    bytes: tail.readUInt32LE(end + 12),
    at: tail.readUInt32LE(end + 16),
  }
  const wide = findZip64Directory(file, endAt)
  const agrees = (small: number, large: number, most: number) => small === most || small === large
  if (wide !== null) {
    const same =
      agrees(place.entries, wide.entries, 0xffff) &&
      agrees(place.bytes, wide.bytes, narrowMost) &&
      agrees(place.at, wide.at, narrowMost)
    if (!same) throw invalidFile(file.what, 'one zip directory', 'two ends that disagree')
  } else if (place.disks !== 0) throw invalidFile(file.what, 'a zip archive in one piece', 'one of several pieces')
  const { entries, at, bytes } = wide ?? place
  const behind = wide?.endAt ?? endAt
  if (at + bytes !== behind)
    throw invalidFile(file.what, `a zip directory that ends at ${behind}`, `one of ${bytes} bytes at ${at}`)
  return { entries, at, bytes }
}

function findZip64Directory(file: FileBytes, endAt: number): (DirectoryPlace & { endAt: number }) | null {
  const locatorAt = endAt - zip64LocatorBytes
  if (locatorAt < 0) return null
  const locator = Buffer.allocUnsafe(zip64LocatorBytes)
  file.readSync(locator, locatorAt)
  if (locator.readUInt32LE() !== signatures.zip64Locator) return null
  const wideAt = locatorAt - zip64EndBytes
  if (wideAt < 0 || locator.readBigUInt64LE(8) !== BigInt(wideAt))
    throw invalidFile(file.what, `the zip64 end at ${wideAt}`, `${locator.readBigUInt64LE(8)}`)
  const record = Buffer.allocUnsafe(zip64EndBytes)
  file.readSync(record, wideAt)
  if (record.readUInt32LE() !== signatures.zip64End || record.readBigUInt64LE(24) !== record.readBigUInt64LE(32))
    throw invalidFile(file.what, 'a zip64 end of one archive', 'something else')
  const within = (offset: number) => readWide(record, offset, file)
  return { entries: within(32), bytes: within(40), at: within(48), endAt: wideAt }
}

/** A 64-bit count of something inside the file: none is larger than the file. */
function readWide(buffer: Buffer, offset: number, file: FileBytes): number {
  const value = buffer.readBigUInt64LE(offset)
  if (value > BigInt(file.bytes)) throw invalidFile(file.what, `a count of at most ${file.bytes}`, `${value}`)
  return Number(value)
}

function parseEntry(directory: Buffer, at: number, what: string): { entry: ZipEntry; next: number } {
  if (at + centralHeaderBytes > directory.length || directory.readUInt32LE(at) !== signatures.centralHeader)
    throw invalidFile(what, 'a zip directory of entries', `something else at its byte ${at}`)
  const nameAt = at + centralHeaderBytes
  const extraAt = nameAt + directory.readUInt16LE(at + 28)
  const commentAt = extraAt + directory.readUInt16LE(at + 30)
  const next = commentAt + directory.readUInt16LE(at + 32)
  if (next > directory.length) throw invalidFile(what, 'a zip entry within the directory', 'one that is cut short')
  const name = directory.toString('utf8', nameAt, extraAt)
  if ((directory.readUInt16LE(at + 8) & encrypted) !== 0)
    throw invalidFile(what, `zip entry ${shown(name)} to be readable`, 'an encrypted one')
  const method = directory.readUInt16LE(at + 10)
  if (method !== 0 && method !== 8)
    throw invalidFile(what, `zip entry ${shown(name)} stored or deflated`, `method ${method}`)

  const extra = wideFields(directory.subarray(extraAt, commentAt))
  const wide = (small: number) => (small === narrowMost ? (extra.shift() ?? Number.NaN) : small)
  const bytes = wide(directory.readUInt32LE(at + 24))
  const compressedBytes = wide(directory.readUInt32LE(at + 20))
  const headerAt = wide(directory.readUInt32LE(at + 42))
  if (![bytes, compressedBytes, headerAt].every(Number.isSafeInteger) || (method === 0 && bytes !== compressedBytes))
    throw invalidFile(what, `sizes of zip entry ${shown(name)} that can be`, `${bytes} from ${compressedBytes} bytes`)
  const crc32 = directory.readUInt32LE(at + 16)
  return { entry: { name, method, crc32, compressedBytes, bytes, headerAt, endsBefore: 0 }, next }
}

/** Values of the zip64 extra field (id 1), in its order. */
function wideFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === 1) {
      const values: number[] = []
      for (let field = at + 4; field + 8 <= Math.min(end, extra.length); field += 8)
        values.push(Number(extra.readBigUInt64LE(field)))
      return values
    }
    at = end
  }
  return []
}

/** Overlapping entries are how a small archive becomes a large one. */
function keepApart(entries: ZipEntry[], directoryAt: number, what: string): void {
  entries.sort((a, b) => a.headerAt - b.headerAt)
  for (const [index, entry] of entries.entries()) {
    entry.endsBefore = entries[index + 1]?.headerAt ?? directoryAt
    const least = entry.headerAt + localHeaderBytes + entry.name.length + entry.compressedBytes
    if (least > entry.endsBefore)
      throw invalidFile(what, `zip entry ${shown(entry.name)} to end before ${entry.endsBefore}`, `${least}`)
  }
}

/** A name from a file in a message: short, and one line. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}
