// Opens the decoded images of a folder: those that are kept from before, as long as their source is the same, or new ones.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { listImageFolder, type ImageFolder } from '../../../shared/datasets/image-folder.ts'
import { isTrainqlError } from '../../../shared/errors.ts'
import { diskFullOr, syncFolder, writeFileAtomically } from '../../disk.ts'
import { lockBuild } from './build-lock.ts'
import { buildImageFile, type BuildProgress } from './build.ts'
import type { Geometry } from './decode.ts'
import { readImageFile, type ImageSet } from './image-file.ts'
import { contentKey, filesOf, geometryKey, hashFiles, quickKey } from './source-key.ts'

export interface OpenImagesRequest {
  name: string
  /** Holds `train/<class>/*` and a validation folder. */
  folder: string
  geometry: Geometry
  /** Where decoded sets are kept; made where it is absent. */
  cacheFolder: string
  stop: AbortSignal
  /** Null while another process decodes. */
  onProgress: (progress: BuildProgress | null) => void
  say: (line: string) => void
}

/** @throws TrainqlError `DATASET_INVALID`, `INVALID_INPUT`, `DISK_FULL`; the signal's reason where it stops. */
export async function openImages(request: OpenImagesRequest): Promise<ImageSet> {
  const { folder, geometry, cacheFolder, stop } = request
  const listing = await listImageFolder(folder)
  const quick = await quickKey(folder, listing, geometry)
  const names = fileNames(request, quick)
  const kept = findByQuickKey(names)
  if (kept !== null) return kept
  try {
    mkdirSync(cacheFolder, { recursive: true })
    return await openLocked(request, { listing, names })
  } catch (error) {
    throw isTrainqlError(error) || stop.aborted ? error : diskFullOr(error, cacheFolder)
  }
}

/** The files of one folder's images, decoded in one way. */
interface FileNames {
  quick: string
  /** What all names begin with, without the cache folder. */
  prefix: string
  lock: string
  /** Says which contents files of these names, sizes and times were found to have. */
  quickFile: string
  setFile: (key: string) => string
}

function fileNames({ name, geometry, cacheFolder }: OpenImagesRequest, quick: string): FileNames {
  const prefix = `${name.replaceAll(/[^\w.-]/g, '_').slice(0, 64)}-${geometryKey(geometry).slice(0, 8)}`
  const inCache = (rest: string): string => join(cacheFolder, `${prefix}${rest}`)
  return {
    quick,
    prefix,
    lock: inCache('.lock'),
    quickFile: inCache(`-${quick.slice(0, 16)}.json`),
    setFile: (key) => inCache(`-${key.slice(0, 16)}.images`),
  }
}

interface Search {
  listing: ImageFolder
  names: FileNames
}

async function openLocked(request: OpenImagesRequest, search: Search): Promise<ImageSet> {
  const { name, cacheFolder, stop, say, onProgress } = request
  const { names } = search
  const unlock = await lockBuild(names.lock, {
    stop,
    onWait: ({ pid }) => say(`dataset ${name}: waiting for process ${pid}, which decodes it`),
    onPoll: () => onProgress(null),
  })
  try {
    const meanwhile = findByQuickKey(names)
    if (meanwhile !== null) return meanwhile
    const key = (await findByContents(request, search)) ?? (await decodeAll(request, search))
    writeFileAtomically(names.quickFile, JSON.stringify({ quick: names.quick, key } satisfies QuickRecord))
    await syncFolder(cacheFolder)
    return readImageFile(names.setFile(key))
  } finally {
    unlock()
  }
}

const quickSchema = z.object({ quick: z.string(), key: z.string() })
type QuickRecord = z.output<typeof quickSchema>

function findByQuickKey(names: FileNames): ImageSet | null {
  let record: QuickRecord
  try {
    record = quickSchema.parse(JSON.parse(readFileSync(names.quickFile, 'utf8')))
  } catch {
    // None yet, or not one of ours: then the contents decide.
    return null
  }
  return record.quick === names.quick ? findSet(names, record.key) : null
}

/** Null where there is none, or none that is whole. */
function findSet(names: FileNames, key: string): ImageSet | null {
  try {
    const set = readImageFile(names.setFile(key))
    return set.description.key === key ? set : null
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (absent || isTrainqlError(error)) return null
    throw error
  }
}

/** Files that were copied or touched may still be those that were decoded. */
async function findByContents(
  { name, folder, geometry, cacheFolder, stop, say }: OpenImagesRequest,
  { listing, names }: Search,
): Promise<string | null> {
  const sets = readdirSync(cacheFolder).filter((file) => file.startsWith(names.prefix) && file.endsWith('.images'))
  if (sets.length === 0) return null
  say(`dataset ${name}: its files have other names or times than before; comparing their contents`)
  const key = contentKey(listing, await hashFiles(folder, listing, stop), geometry)
  return findSet(names, key) === null ? null : key
}

const sayEveryMs = 5_000

/** Returns the key of the set, which then has its name. */
async function decodeAll(
  { name, folder, geometry, cacheFolder, stop, say, onProgress }: OpenImagesRequest,
  { listing, names }: Search,
): Promise<string> {
  removeUnfinished(cacheFolder, names.prefix)
  const file = join(cacheFolder, `${names.prefix}.${process.pid}.tmp`)
  say(`dataset ${name}: decoding ${filesOf(listing).length} images into ${cacheFolder}`)
  const begun = performance.now()
  let saidAt = begun
  try {
    const key = await buildImageFile({
      name,
      folder,
      listing,
      geometry,
      file,
      stop,
      onProgress(progress) {
        onProgress(progress)
        const now = performance.now()
        if (now - saidAt < sayEveryMs) return
        saidAt = now
        say(`dataset ${name}: ${progress.done} of ${progress.total} images, ${rate(progress.done, now - begun)}`)
      },
    })
    renameSync(file, names.setFile(key))
    say(`dataset ${name}: decoded at ${rate(filesOf(listing).length, performance.now() - begun)}`)
    return key
  } finally {
    rmSync(file, { force: true })
  }
}

/** What a trainer that was killed left behind: the lock is ours, so nobody writes it any more. */
function removeUnfinished(cacheFolder: string, prefix: string): void {
  for (const file of readdirSync(cacheFolder)) {
    if (file.startsWith(`${prefix}.`) && file.endsWith('.tmp')) rmSync(join(cacheFolder, file), { force: true })
  }
}

function rate(images: number, ms: number): string {
  return `${((images / Math.max(ms, 1)) * 1000).toFixed(0)} images/s`
}
