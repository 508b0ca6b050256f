// An embedded database with every migration and no row, kept beside the built code: a new data directory gets a copy of it, in
// a tenth of the time that it takes to make one.
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { diskFullOr, syncPath } from '../durable-files.ts'
import type { Migration } from './migrate.ts'

/** Written into a database's folder once what is in it is whole; a folder without it was left by a crash. */
export const wholeMarker = 'trainql-initialised'

export interface TemplateSource {
  /** Where templates are kept. */
  folder: string
  /** Of what decides what an empty database is. */
  key: string
  /** Makes an empty database in this folder and closes it. */
  makeDatabase: (folder: string) => Promise<void>
}

export const templatesFolder = fileURLToPath(new URL('../../../build/database-template/', import.meta.url))

/** Raised when templates are made in another way: 2, without PostgreSQL's own templates. */
const templateVersion = 2

/** A folder fits the PGlite that wrote it, and holds the migrations that there were. */
export function templateKey(migrations: readonly Migration[]): string {
  const manifest = new URL('../package.json', import.meta.resolve('@electric-sql/pglite'))
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const hash = createHash('sha256').update(`${templateVersion}\0${version}`)
  for (const { name, checksum } of migrations) hash.update(`\0${name}\0${checksum}`)
  return hash.digest('hex').slice(0, 16)
}

/**
 * Puts a copy of the template where there is no database. A template only saves time: where none can be made there will be
 * no database either, and whoever opens the folder makes one.
 * @throws TrainqlError `DISK_FULL`
 */
export async function copyTemplate(target: string, source: TemplateSource): Promise<void> {
  if (isWhole(target)) return
  const template = join(source.folder, source.key)
  if (!isWhole(template) && !(await makeTemplate(template, source))) return
  await rm(target, { recursive: true, force: true })
  try {
    // Not the marker, which comes last. Before anything is served, and several times as fast as file by file in turns.
    cpSync(template, target, { recursive: true, filter: (path) => basename(path) !== wholeMarker })
    await writeFile(join(target, wholeMarker), '')
  } catch (error) {
    throw diskFullOr(error)
  }
}

const isWhole = (folder: string): boolean => existsSync(join(folder, wholeMarker))

/** Whether there is one now. */
async function makeTemplate(template: string, { folder, key, makeDatabase }: TemplateSource): Promise<boolean> {
  const draft = `${template}.${process.pid}`
  try {
    await mkdir(draft, { recursive: true })
  } catch {
    // Installed by another user.
    return false
  }
  try {
    await makeDatabase(draft)
    // Every database to come is a copy: a power cut must not leave half of it under the name of a whole one.
    await syncAll(draft)
    await rename(draft, template)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    // Another process was faster.
    if (isWhole(template)) return true
    throw error
  }
  await syncPath(folder)
  await removeOthers(folder, key)
  return true
}

async function syncAll(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true })
  for (const entry of entries) await syncPath(join(folder, entry))
  await syncPath(folder)
}

/** Those of other migrations, and of another PGlite. */
async function removeOthers(folder: string, key: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(key)) await rm(join(folder, name), { recursive: true, force: true })
  }
}
