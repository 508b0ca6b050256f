// A run of bytes inside a file that is read from front to back, whether it is stored as it is or deflated.
import { Readable } from 'node:stream'
import { crc32, createInflateRaw } from 'node:zlib'
import { invalidFile, type FileBytes } from './file-bytes.ts'

export interface ByteRun {
  readonly bytes: number
  /** Where they begin in the file as they are; null where they are compressed. */
  readonly at: number | null
  /** Where the container has one for the whole run, and it counts. */
  readonly crc32: number | null
  /** Bytes that must be gone through before the one at `from` can be had. */
  costOf(from: number): number
  /** Reads on from `from`. Close what it gives. */
  open(from: number): RunReader
}

export interface RunReader {
  /** Fills all of `target` with the next bytes. */
  fill(target: Uint8Array): Promise<void>
  close(): void
}

/** What a call into the thread pool takes is more than reading so many bytes takes here. */
const smallBytes = 64 * 1024
const inflateChunkBytes = 256 * 1024

export function storedRun(file: FileBytes, at: number, { bytes, crc32 }: Pick<ByteRun, 'bytes' | 'crc32'>): ByteRun {
  return {
    bytes,
    at,
    crc32,
    costOf: () => 0,
    open(from) {
      let position = at + from
      return {
        async fill(target) {
          if (target.length <= smallBytes) file.readSync(target, position)
          else await file.read(target, position)
          position += target.length
        },
        close: () => undefined,
      }
    },
  }
}

export interface Deflated {
  /** Where the compressed bytes begin in the file, and how many they are. */
  at: number
  compressedBytes: number
  bytes: number
  crc32: number | null
}

/** Never gives more than `bytes`, whatever the compressed data would become. */
export function deflatedRun(file: FileBytes, { at, compressedBytes, bytes, crc32 }: Deflated): ByteRun {
  return {
    bytes,
    at: null,
    crc32,
    costOf: (from) => from,
    open(from) {
      const inflate = createInflateRaw({ chunkSize: inflateChunkBytes })
      const compressed = Readable.from(pieces(file, at, compressedBytes))
      compressed.on('error', (error) => inflate.destroy(error))
      // Told to whoever reads; where nobody does any more, it does not matter.
      inflate.on('error', () => undefined)
      const output = compressed.pipe(inflate)[Symbol.asyncIterator]() as AsyncIterator<Buffer>
      let rest: Uint8Array = new Uint8Array()
      let skip = from
      return {
        async fill(target) {
          for (let done = 0; done < target.length;) {
            if (rest.length === 0) rest = await nextPiece(output, file.what, bytes)
            const skipped = Math.min(skip, rest.length)
            skip -= skipped
            const taken = rest.subarray(skipped, skipped + target.length - done)
            target.set(taken, done)
            done += taken.length
            rest = rest.subarray(skipped + taken.length)
          }
        },
        close() {
          compressed.destroy()
          inflate.destroy()
        },
      }
    },
  }
}

async function* pieces(file: FileBytes, at: number, bytes: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < bytes; done += inflateChunkBytes) {
    const piece = Buffer.allocUnsafe(Math.min(inflateChunkBytes, bytes - done))
    await file.read(piece, at + done)
    yield piece
  }
}

async function nextPiece(output: AsyncIterator<Buffer>, what: string, bytes: number): Promise<Buffer> {
  let next: IteratorResult<Buffer>
  try {
    next = await output.next()
  } catch (error) {
    if (!isZlibError(error)) throw error
    throw invalidFile(what, 'compressed bytes', error.message)
  }
  if (next.done === true) throw invalidFile(what, `${bytes} bytes out of compressed ones`, 'fewer')
  return next.value
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

/** @throws TrainqlError `CHECKPOINT_INVALID` where the whole run's bytes are not those that were written. */
export function checkCrc32(run: ByteRun, content: Uint8Array, what: string): void {
  if (run.crc32 === null || content.length !== run.bytes) return
  const found = crc32(content)
  if (found !== run.crc32)
    throw invalidFile(what, `bytes of CRC-32 ${hex(run.crc32)}, as the archive says`, `CRC-32 ${hex(found)}`)
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
