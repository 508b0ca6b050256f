// Files on this machine, where the SDK runs in Node; a browser has none and never asks for one.
import { TrainqlFailure } from './errors.ts'

/** Asked of the process rather than imported, so that a bundler for browsers finds nothing to bundle. */
function builtIns() {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> }
  if (process?.getBuiltinModule === undefined) throw withoutFiles()
  const { getBuiltinModule } = process
  return {
    files: getBuiltinModule('node:fs'),
    streams: getBuiltinModule('node:stream'),
    hashes: getBuiltinModule('node:crypto'),
  }
}

export interface LocalFile {
  name: string
  bytes: number
  body: ReadableStream
}

/** @throws TrainqlFailure `NOT_FOUND` */
export async function openLocalFile(path: string): Promise<LocalFile> {
  const { files, streams } = builtIns()
  const found = await files.promises.stat(path).catch(() => null)
  if (found === null || !found.isFile()) throw noFile(path)
  const name = path.replace(/^.*[/\\]/, '')
  return { name, bytes: found.size, body: streams.Readable.toWeb(files.createReadStream(path)) as ReadableStream }
}

export interface LocalTarget {
  /** Adds what comes, and says how much there is now; what came before a break stays. */
  append(body: ReadableStream<Uint8Array>, onBytes: (bytes: number) => void): Promise<void>
  /** Gives the file its name, if it is what it should be; else it is gone and this throws. */
  finish(expected: { bytes: number; sha256: string }): Promise<void>
  abandon(): Promise<void>
}

/** A file that appears under its name only once it is whole. */
export function createLocalTarget(path: string): LocalTarget {
  const { files, hashes } = builtIns()
  const unfinished = `${path}.part`
  const hash = hashes.createHash('sha256')
  let bytes = 0
  let flags = 'w'
  const abandon = (): Promise<void> => files.promises.rm(unfinished, { force: true })
  return {
    async append(body, onBytes) {
      const file = await files.promises.open(unfinished, flags)
      flags = 'a'
      try {
        // Counted once it is written: a break drops what is only on its way.
        for await (const chunk of body) {
          await file.writeFile(chunk)
          hash.update(chunk)
          bytes += chunk.length
          onBytes(bytes)
        }
      } finally {
        await file.close()
      }
    },
    async finish(expected) {
      const sha256 = hash.digest('hex')
      if (bytes !== expected.bytes || sha256 !== expected.sha256) {
        await abandon()
        throw damaged(expected, { bytes, sha256 })
      }
      await files.promises.rename(unfinished, path)
    },
    abandon,
  }
}

function withoutFiles(): TrainqlFailure {
  return new TrainqlFailure({
    type: 'InvalidInputFailure',
    code: 'INVALID_INPUT',
    message: 'Expected a runtime with files, such as Node; there are none here.',
    fix: 'Hand over a Blob to import, and fetch the URL of exportCheckpoint to download.',
  })
}

function noFile(path: string): TrainqlFailure {
  return new TrainqlFailure({
    type: 'NotFoundFailure',
    code: 'NOT_FOUND',
    message: `There is no file ${JSON.stringify(path)} on this machine.`,
    fix: 'Correct the path; a file on the server is named as { path }.',
  })
}

interface Content {
  bytes: number
  sha256: string
}

function damaged(expected: Content, found: Content): TrainqlFailure {
  return new TrainqlFailure({
    type: 'ConflictFailure',
    code: 'CHECKPOINT_INVALID',
    message: `Expected ${expected.bytes} bytes with sha-256 ${expected.sha256}; got ${found.bytes} with ${found.sha256}.`,
    fix: 'Download it again.',
  })
}
