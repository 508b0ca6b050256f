// Finds the file of published weights on this machine, or fetches it: never without looking at its hash.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TrainqlError } from '../../shared/errors.ts'
import type { PretrainedWeights } from '../../shared/pretrained.ts'
import { diskFullOr, syncFolder } from '../disk.ts'
import { markUnfinished } from './unfinished.ts'

export interface PretrainedPlaces {
  /** Searched in this order, and the cache last. */
  folders: readonly string[]
  cacheFolder: string | null
  /** Folder URL; null: nothing is fetched. */
  url: string | null
}

export type OnBytes = (doneBytes: number, ofBytes: number) => void

/**
 * Path of the file, whose sha-256 begins as its name says.
 * @throws TrainqlError `NOT_FOUND` where it is nowhere and may not be fetched; `CHECKPOINT_INVALID` where a file of that
 * name is another; `NETWORK`, `DISK_FULL`.
 */
export async function getPretrainedFile(
  weights: PretrainedWeights,
  places: PretrainedPlaces,
  onBytes: OnBytes,
): Promise<string> {
  const found = await findPretrainedFile(weights, places)
  if (found.kind === 'FOUND') return found.path
  const { url, cacheFolder } = places
  if (url !== null && cacheFolder !== null) return fetchFile(weights, { url, cacheFolder, onBytes })
  if (found.kind === 'OTHER') throw otherHash(found.path, weights, found.sha256)
  const searched = foldersOf(places)
  throw new TrainqlError({
    code: 'NOT_FOUND',
    message: `Expected ${weights.file}, the weights ${weights.name}, in ${searched.length === 0 ? 'a configured folder; there is none' : searched.join(', ')}.`,
    fix: `Put ${weights.file} there, or configure a URL to fetch it from.`,
  })
}

type Search = { kind: 'FOUND'; path: string } | { kind: 'OTHER'; path: string; sha256: string } | { kind: 'NOWHERE' }

/** A file of that name and another hash is passed over, and named where there is no better one. */
async function findPretrainedFile(weights: PretrainedWeights, places: PretrainedPlaces): Promise<Search> {
  let other: Search = { kind: 'NOWHERE' }
  for (const folder of foldersOf(places)) {
    const path = join(folder, weights.file)
    if (!existsSync(path)) continue
    const sha256 = await hashOf(path)
    if (sha256.startsWith(weights.sha256Prefix)) return { kind: 'FOUND', path }
    other = { kind: 'OTHER', path, sha256 }
  }
  return other
}

function foldersOf({ folders, cacheFolder }: PretrainedPlaces): string[] {
  return cacheFolder === null ? [...folders] : [...folders, cacheFolder]
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Buffer)
  return hash.digest('hex')
}

interface Download {
  url: string
  cacheFolder: string
  onBytes: OnBytes
}

/** No published file is so much larger than it is said to be: what is, is another, and is not stored to its end. */
const sizeTolerance = 1.25

/** Into a temporary file, hashed on the way; it gets its name only where the hash is right. */
async function fetchFile(weights: PretrainedWeights, { url, cacheFolder, onBytes }: Download): Promise<string> {
  const from = new URL(weights.file, url.endsWith('/') ? url : `${url}/`)
  const path = join(cacheFolder, weights.file)
  const temporary = join(cacheFolder, `.tmp-${process.pid}-${weights.file}`)
  const mostBytes = weights.megabytes * 1024 * 1024 * sizeTolerance
  await mkdir(cacheFolder, { recursive: true })
  const unmark = markUnfinished(temporary)
  try {
    const response = await request(from)
    const ofBytes = Number(response.headers.get('content-length') ?? 0) || Math.round(weights.megabytes * 1024 * 1024)
    const hash = createHash('sha256')
    const handle = await open(temporary, 'w')
    try {
      let bytes = 0
      for await (const piece of bodyOf(response, from)) {
        bytes += piece.length
        if (bytes > mostBytes) throw tooLarge(from, weights)
        hash.update(piece)
        await handle.writeFile(piece)
        onBytes(bytes, Math.max(bytes, ofBytes))
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    const sha256 = hash.digest('hex')
    if (!sha256.startsWith(weights.sha256Prefix)) throw otherHash(from.href, weights, sha256)
    await rename(temporary, path)
    await syncFolder(cacheFolder)
    return path
  } catch (error) {
    await rm(temporary, { force: true })
    throw diskFullOr(error, cacheFolder)
  } finally {
    unmark()
  }
}

async function request(from: URL): Promise<Response> {
  let response: Response
  try {
    response = await fetch(from)
  } catch (error) {
    throw unreachable(from, error)
  }
  if (response.ok) return response
  await response.body?.cancel()
  throw new TrainqlError({
    code: 'NETWORK',
    message: `Expected the file at ${from.href}; the server answered ${response.status} ${response.statusText}.`.trim(),
    fix: 'Check the configured URL of published weights, or put the file into a configured folder.',
  })
}

async function* bodyOf(response: Response, from: URL): AsyncGenerator<Uint8Array> {
  if (response.body === null) return
  const reader = response.body.getReader()
  try {
    for (;;) {
      let next: Awaited<ReturnType<typeof reader.read>>
      try {
        next = await reader.read()
      } catch (error) {
        throw unreachable(from, error)
      }
      if (next.done) return
      yield next.value as Uint8Array
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function unreachable(from: URL, error: unknown): TrainqlError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return new TrainqlError(
    {
      code: 'NETWORK',
      message: `Expected to fetch ${from.href}; ${cause instanceof Error ? cause.message : String(cause)}.`,
      fix: 'Try again, or put the file into a configured folder.',
    },
    { cause: error },
  )
}

function otherHash(where: string, { file, sha256Prefix }: PretrainedWeights, found: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${where}: expected a sha-256 that begins with ${sha256Prefix}, as ${file} says; found ${found}.`,
    fix: 'Remove that file, and fetch the one that torchvision publishes.',
  })
}

function tooLarge(from: URL, { megabytes }: PretrainedWeights): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${from.href}: expected about ${megabytes} MB; found more.`,
    fix: 'Check the configured URL of published weights.',
  })
}
