// When a decoded set still is the one of its files. Two keys: one of names, sizes and times, which costs a look at each file;
// and the true one, of the files' contents.
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageFile, ImageFolder } from '../../../shared/datasets/image-folder.ts'
import { decoderVersion, type Geometry } from './decode.ts'

/** Changes whenever the same files would be decoded to another set. */
const formatVersion = 2

const filesAtOnce = 32

/** Of the way the images are decoded, whatever they are. */
export function geometryKey({ output, randomScale }: Geometry): string {
  return hashOf([formatVersion, decoderVersion, output === null ? null : [output.height, output.width], randomScale])
}

/**
 * Of paths, sizes and times of modification and change: no program can set the last of these back, so an edit is noticed
 * whatever it does to the others.
 */
export async function quickKey(folder: string, listing: ImageFolder, geometry: Geometry): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([geometryKey(geometry), folder, listing.classes]))
  await forEachInOrder(
    filesOf(listing),
    ({ path }) => stat(join(folder, path), { bigint: true }).catch(() => null),
    ({ path }, found) => {
      hash.update(JSON.stringify([path, ...[found?.size, found?.mtimeNs, found?.ctimeNs].map(String)]))
    },
  )
  return hash.digest('hex')
}

/** Of paths and contents; `hashes` are the files' own, in the order of `filesOf`. */
export function contentKey(listing: ImageFolder, hashes: readonly string[], geometry: Geometry): string {
  const hash = createHash('sha256').update(JSON.stringify([geometryKey(geometry), listing.classes]))
  filesOf(listing).forEach(({ path }, index) => hash.update(JSON.stringify([path, hashes[index]])))
  return hash.digest('hex')
}

/** The contents of every file, as `contentKey` takes them. */
export async function hashFiles(folder: string, listing: ImageFolder, stop: AbortSignal): Promise<string[]> {
  const hashes: string[] = []
  await forEachInOrder(
    filesOf(listing),
    async ({ path }) => {
      stop.throwIfAborted()
      return hashBytes(await readFile(join(folder, path)).catch(() => null))
    },
    (_, hash) => hashes.push(hash),
  )
  return hashes
}

/** Null: a file that cannot be read. */
export function hashBytes(bytes: Uint8Array | null): string {
  return bytes === null ? 'unreadable' : createHash('sha256').update(bytes).digest('hex')
}

export function filesOf({ train, validation }: ImageFolder): ImageFile[] {
  return [...train, ...validation]
}

async function forEachInOrder<T, R>(
  items: readonly T[],
  prepare: (item: T) => Promise<R>,
  use: (item: T, result: R) => void,
): Promise<void> {
  for (let start = 0; start < items.length; start += filesAtOnce) {
    const some = items.slice(start, start + filesAtOnce)
    const results = await Promise.all(some.map(prepare))
    some.forEach((item, index) => use(item, results[index] as R))
  }
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
