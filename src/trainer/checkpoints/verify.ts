// Is a checkpoint what it was when it was written? Every file is read and hashed anew.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckpointVerification } from '../../shared/checkpoint-tool.ts'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import { readManifest } from './load.ts'
import { manifestFile, type Manifest } from './manifest.ts'

type VerifiedFile = CheckpointVerification['files'][number]

export interface VerifyProgress {
  doneBytes: number
  ofBytes: number
}

/**
 * The manifest, then each file that it knows, then those it does not know. Files are read in pieces, never whole.
 * @throws TrainqlError `NOT_FOUND` where there is no such folder.
 */
export async function verifyCheckpoint(
  folder: string,
  onProgress: (progress: VerifyProgress) => void = () => undefined,
): Promise<CheckpointVerification> {
  const entries = await listFolder(folder)
  const { manifest, file: manifestRecord } = await verifyManifest(folder)
  const known = Object.entries(manifest?.files ?? {})
  const ofBytes = known.reduce((sum, [, { bytes }]) => sum + bytes, 0)
  let doneBytes = 0
  const files = [manifestRecord]
  for (const [name, { bytes, sha256 }] of known) {
    const expected = `${bytes} bytes, sha-256 ${sha256}`
    const found = await hashFile(join(folder, name), (piece) => {
      doneBytes += piece
      onProgress({ doneBytes, ofBytes })
    })
    const foundText = typeof found === 'string' ? found : `${found.bytes} bytes, sha-256 ${found.sha256}`
    const foundBytes = typeof found === 'string' ? 0 : found.bytes
    files.push({ name, bytes: foundBytes, intact: foundText === expected, expected, found: foundText })
  }
  const expectedNames = new Set([manifestFile, ...known.map(([name]) => name)])
  for (const name of entries.filter((entry) => !expectedNames.has(entry))) {
    const { size } = await stat(join(folder, name))
    files.push({ name, bytes: size, intact: false, expected: 'no such file', found: `${size} bytes` })
  }
  return { folder, intact: files.every(({ intact }) => intact), files }
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'NOT_FOUND',
        message: `Expected the folder of a checkpoint at ${folder}; ${messageOf(error)}.`,
        fix: 'Pass the folder that holds manifest.json.',
      },
      { cause: error },
    )
  }
}

async function verifyManifest(folder: string): Promise<{ manifest: Manifest | null; file: VerifiedFile }> {
  const file = { name: manifestFile, expected: 'a checkpoint manifest' }
  try {
    const manifest = await readManifest(folder)
    const { size } = await stat(join(folder, manifestFile))
    return { manifest, file: { ...file, bytes: size, intact: true, found: file.expected } }
  } catch (error) {
    if (!isTrainqlError(error)) throw error
    return { manifest: null, file: { ...file, bytes: 0, intact: false, found: error.message } }
  }
}

/** Or why it cannot be read. */
async function hashFile(
  path: string,
  onPiece: (bytes: number) => void,
): Promise<{ bytes: number; sha256: string } | string> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      hash.update(piece)
      bytes += piece.length
      onPiece(piece.length)
    }
  } catch (error) {
    return messageOf(error)
  }
  return { bytes, sha256: hash.digest('hex') }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
