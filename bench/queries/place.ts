// A filled database with the data directory that belongs to it: in a folder that goes with the bench, or in one that is kept
// and found again.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BenchError } from '../bench.ts'
import { writeDirectories } from './directories.ts'
import { fillDatabase } from './fill.ts'
import { populate, type PopulatedRun, type Sizes } from './population.ts'
import { findPostgres, startOwnPostgres } from './postgres.ts'

export const databases = ['embedded', 'postgres'] as const
export type DatabaseKind = (typeof databases)[number]

export interface Place {
  home: string
  /** Null: the embedded one, in the data directory. */
  databaseUrl: string | null
  runs: PopulatedRun[]
  /** Null where it had been filled before. */
  fillSeconds: number | null
  close(): Promise<void>
}

export interface PlaceOptions {
  kind: DatabaseKind
  sizes: Sizes
  /** Where filled databases are kept; null: none is. */
  keep: string | null
  note: (line: string) => void
}

/** Written last. */
const marker = 'filled-at'

/** @throws BenchError where this machine has no such database */
export async function openPlace({ kind, sizes, keep, note }: PlaceOptions): Promise<Place> {
  const folder =
    keep === null ? mkdtempSync(join(tmpdir(), 'trainql-queries-')) : join(keep, `${kind}-${sizes.runs}-${sizes.steps}`)
  const filled = existsSync(join(folder, marker))
  if (!filled) await rm(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const postgres = kind === 'postgres' ? await startPostgres(folder) : null
  const close = async (): Promise<void> => {
    await postgres?.stop()
    if (keep === null) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const now = filled ? new Date(readFileSync(join(folder, marker), 'utf8')) : new Date()
    const runs = populate(sizes, now)
    const home = join(folder, 'home')
    const place = { home, databaseUrl: postgres?.url ?? null, runs, close }
    if (filled) return { ...place, fillSeconds: null }
    const begun = performance.now()
    mkdirSync(home, { recursive: true })
    await fillDatabase({ folder: join(home, 'db'), url: place.databaseUrl }, runs, note)
    await writeDirectories(home, runs)
    writeFileSync(join(folder, marker), now.toISOString())
    return { ...place, fillSeconds: (performance.now() - begun) / 1000 }
  } catch (error) {
    await close()
    throw error
  }
}

async function startPostgres(folder: string) {
  const { programs, reason } = findPostgres()
  if (programs === null) throw new BenchError(reason)
  // Its user comes through.
  chmodSync(folder, 0o755)
  return startOwnPostgres(programs, join(folder, 'postgres'), ['shared_buffers=512MB', 'max_wal_size=4GB'])
}
