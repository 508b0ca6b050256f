// Files that clients send to be imported: a folder each, `<id>/<name of the file>`, until they are used or forgotten.
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { invalidInput, TrainqlError } from '../../shared/errors.ts'
import { createSortableId, findSortableIdTime } from '../../shared/sortable-id.ts'
import { nullWhereAbsent } from '../durable-files.ts'
import type { UrlSigner } from './signed-url.ts'

export interface UploadRecord {
  id: string
  /** To be PUT to, on this server. */
  url: string
  /** When the URL and what was sent to it are forgotten. */
  expiresAt: Date
  limitBytes: number
}

export interface UploadService {
  /** @throws TrainqlError `INVALID_INPUT` for a name that is none, or a size above the limit */
  create(fileName: string, bytes: number | null): Promise<UploadRecord>
  /**
   * Stores what comes, whole or not at all, and returns its size.
   * @throws UploadTooLarge; TrainqlError `NOT_FOUND` where the upload is forgotten, `CONFLICT` where it has come already
   */
  receive(id: string, fileName: string, body: Readable): Promise<number>
  /** @throws TrainqlError `NOT_FOUND` where it is not there, not yet or no more */
  getFile(id: string): Promise<string>
  remove(id: string): Promise<void>
  /** Removes those that are forgotten. */
  sweep(): Promise<void>
  /** Removes what a server that died was receiving. Once, at the start. */
  removeUnfinished(): Promise<void>
  readonly limitBytes: number
}

export class UploadTooLarge extends TrainqlError {}

export interface UploadOptions {
  /** Where uploads lie. */
  folder: string
  limitBytes: number
  keepMs: number
  signer: UrlSigner
  now: () => Date
}

export const uploadsPath = '/uploads'
/** A file of this name is still being received. */
const receiving = '.receiving'
const longestName = 200

export function createUploadService({ folder, limitBytes, keepMs, signer, now }: UploadOptions): UploadService {
  const folderOf = (id: string): string => join(folder, id)
  const expiryOf = (id: string): number => (findSortableIdTime(id)?.getTime() ?? 0) + keepMs

  async function listFiles(id: string): Promise<string[] | null> {
    if (expiryOf(id) <= now().getTime()) return null
    return readdir(folderOf(id)).catch(nullWhereAbsent)
  }

  async function store(id: string, fileName: string, body: Readable): Promise<number> {
    const unfinished = join(folderOf(id), receiving)
    let bytes = 0
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length
        done(bytes > limitBytes ? tooLarge(limitBytes) : null, chunk)
      },
    })
    try {
      // Whoever comes first has it: `wx`.
      await pipeline(body, meter, createWriteStream(unfinished, { flags: 'wx', flush: true }))
      await rename(unfinished, join(folderOf(id), fileName))
      return bytes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyThere(id)
      await rm(unfinished, { force: true })
      throw error
    }
  }

  return {
    limitBytes,
    async create(fileName, bytes) {
      checkFileName(fileName)
      if (bytes !== null && bytes > limitBytes) throw tooLarge(limitBytes, bytes)
      const id = createSortableId(now())
      await mkdir(folderOf(id), { recursive: true })
      const expiresAt = new Date(expiryOf(id))
      const url = signer.sign('PUT', `${uploadsPath}/${id}/${encodeURIComponent(fileName)}`, expiresAt)
      return { id, url, expiresAt, limitBytes }
    },
    async receive(id, fileName, body) {
      const files = await listFiles(id)
      if (files === null) throw unknownUpload(id)
      if (files.length > 0) throw alreadyThere(id)
      return store(id, fileName, body)
    },
    async getFile(id) {
      const [file] = findSortableIdTime(id) === null ? [] : ((await listFiles(id)) ?? [])
      if (file === undefined || file === receiving) throw unknownUpload(id)
      return join(folderOf(id), file)
    },
    remove: (id) => rm(folderOf(id), { recursive: true, force: true }),
    async sweep() {
      const ids = (await readdir(folder).catch(nullWhereAbsent)) ?? []
      const forgotten = ids.filter((id) => expiryOf(id) <= now().getTime())
      await Promise.all(forgotten.map((id) => rm(folderOf(id), { recursive: true, force: true })))
    },
    async removeUnfinished() {
      const ids = (await readdir(folder).catch(nullWhereAbsent)) ?? []
      await Promise.all(ids.map((id) => rm(join(folderOf(id), receiving), { force: true })))
    },
  }
}

/** It becomes a file's name on this machine. */
function checkFileName(fileName: string): void {
  const fine =
    fileName.length > 0 &&
    fileName.length <= longestName &&
    Buffer.byteLength(fileName) <= 255 &&
    !fileName.startsWith('.') &&
    !/[/\\\u0000-\u001f\u007f]/.test(fileName)
  if (fine) return
  throw invalidInput({
    field: 'fileName',
    message: `Expected a plain file name of at most ${longestName} characters; got ${JSON.stringify(fileName.slice(0, longestName))}.`,
    fix: 'Give the base name of the file, such as resnet18.pth.',
  })
}

export function tooLarge(limitBytes: number, bytes?: number): UploadTooLarge {
  return new UploadTooLarge({
    code: 'INVALID_INPUT',
    field: 'bytes',
    message: `Expected a file of at most ${limitBytes} bytes; got ${bytes === undefined ? 'more' : bytes}.`,
    fix: 'Put it into one of TRAINQL_CHECKPOINT_ROOTS and import it by its path, or raise TRAINQL_UPLOAD_LIMIT.',
  })
}

function unknownUpload(id: string): TrainqlError {
  return new TrainqlError({
    code: 'NOT_FOUND',
    message: `There is no upload ${JSON.stringify(id)}, or not yet, or no more.`,
    fix: 'Make one with createCheckpointUpload and PUT the file to its URL first.',
  })
}

function alreadyThere(id: string): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: `The upload ${id} has come already, or is coming.`,
    fix: 'Make another with createCheckpointUpload.',
  })
}
