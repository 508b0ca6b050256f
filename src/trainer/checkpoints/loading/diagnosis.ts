// Why a file could not even be opened: cut short, damaged, or something else altogether.
import { existsSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckpointProblem } from '../../../shared/checkpoint-tool.ts'
import type { TrainqlError } from '../../../shared/errors.ts'
import { manifestFile } from '../manifest.ts'
import { NoTensors } from './source.ts'

const headBytes = 512
/** A zip archive ends in its directory, of some 70 bytes an entry, and the directory's end. */
const tailBytes = 4 * 1024 * 1024
const zipEnd = Buffer.from('PK\x05\x06', 'latin1')
/** torch.save's magic number, pickled. */
const legacyMagic = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'
const openingBrace = 0x7b
const longestHeader = 16 * 1024 * 1024
const again = 'Copy or download it again: what is missing cannot be made up.'

/** @param error what opening it threw. */
export async function diagnose(path: string, error: TrainqlError): Promise<CheckpointProblem> {
  const { message, fix } = error
  const problem = { blocks: true, message, fix }
  if (error instanceof NoTensors) return { code: 'NO_TENSORS', ...problem }
  const handle = await open(path, 'r')
  try {
    const stat = await handle.stat()
    if (stat.isDirectory() && !existsSync(join(path, manifestFile))) {
      return {
        code: 'NOT_A_CHECKPOINT',
        blocks: true,
        message: `Expected a file, or the folder of a checkpoint; ${path} is a folder without a ${manifestFile}.`,
        fix: 'Name a file, or the folder of one checkpoint, such as checkpoints/1-00000235 in that of a run.',
      }
    }
    // A checkpoint folder whose files disagree.
    if (!stat.isFile()) return { code: 'DAMAGED', ...problem }
    const bytes = stat.size
    switch (await stateOf({ bytes, read: (length, position) => readUpTo(handle, length, position), message })) {
      case 'STRANGER':
        return { code: 'NOT_A_CHECKPOINT', ...problem }
      case 'CUT':
        return {
          code: 'TRUNCATED',
          blocks: true,
          message: `The file is cut short: its ${bytes} bytes are not all that it once had.`,
          fix: again,
        }
      case 'WHOLE':
        return { code: 'DAMAGED', ...problem }
    }
  } finally {
    await handle.close()
  }
}

async function readUpTo(handle: FileHandle, length: number, position: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

interface Unreadable {
  bytes: number
  read: (length: number, position: number) => Promise<Buffer>
  message: string
}

type State = 'STRANGER' | 'CUT' | 'WHOLE'

async function stateOf({ bytes, read, message }: Unreadable): Promise<State> {
  const head = await read(Math.min(bytes, headBytes), 0)
  const begins = (text: string): boolean => head.toString('latin1', 0, text.length) === text
  if (begins('PK\x03\x04')) {
    const tail = await read(Math.min(bytes, tailBytes), Math.max(0, bytes - tailBytes))
    const isTorch = [head, tail].some((part) => part.includes('data.pkl')) && !tail.includes('constants.pkl')
    if (!tail.includes(zipEnd)) return 'CUT'
    // Word processors and other frameworks pack their files as zip too.
    return isTorch ? 'WHOLE' : 'STRANGER'
  }
  // What it once had is nowhere in a legacy file: only where reading came to its end.
  if (begins(legacyMagic))
    return /its end at byte|the end of the file|a file of \d+ bytes|cut short/.test(message) ? 'CUT' : 'WHOLE'
  if (head.length > 8 && head[8] === openingBrace && head.readUInt32LE(4) === 0) {
    const headerBytes = head.readUInt32LE(0)
    if (8 + headerBytes > bytes) return 'CUT'
    return 8 + headerBytes + dataBytes(await read(Math.min(headerBytes, longestHeader), 8)) > bytes ? 'CUT' : 'WHOLE'
  }
  return 'STRANGER'
}

/** Bytes behind the header that its tensors take; 0 where it cannot be read. */
function dataBytes(header: Buffer): number {
  try {
    const entries: unknown[] = Object.values(JSON.parse(header.toString('utf8')) as Record<string, unknown>)
    const ends = entries.flatMap((entry) => {
      const offsets = (entry as { data_offsets?: unknown } | null)?.data_offsets
      return Array.isArray(offsets) && typeof offsets[1] === 'number' ? [offsets[1]] : []
    })
    return ends.reduce((most, end) => Math.max(most, end), 0)
  } catch (error) {
    if (error instanceof SyntaxError) return 0
    throw error
  }
}
