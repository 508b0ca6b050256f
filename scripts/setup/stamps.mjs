// What a step was last done with: a hash of the content of its inputs, in build/setup/<step>.json.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { rootPath, stateFolder } from './places.mjs'

const stampFile = (step) => join(stateFolder, `${step}.json`)

/** `{key, outcome: 'done' | 'degraded', message?}`, or null when the step was never finished. */
export function readStamp(step) {
  try {
    return JSON.parse(readFileSync(stampFile(step), 'utf8'))
  } catch {
    return null
  }
}

/** Null removes it. */
export function writeStamp(step, stamp) {
  if (stamp === null) {
    rmSync(stampFile(step), { force: true })
    return
  }
  const temporary = `${stampFile(step)}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(stamp))
  renameSync(temporary, stampFile(step))
}

/**
 * Hash over the names and contents of files, given as paths of files or folders inside the repository, and over
 * further strings. What does not exist is part of the hash too: its appearing is a change.
 */
export function hashInputs(paths, strings = []) {
  const hash = createHash('sha256')
  for (const string of strings) hash.update(`${String(string)}\0`)
  for (const path of paths) {
    const files = filesUnder(join(rootPath, path))
    hash.update(`${path}\0${files.length}\0`)
    for (const file of files) {
      const content = readFileSync(file)
      hash.update(`${relative(rootPath, file)}\0${content.length}\0`).update(content)
    }
  }
  return hash.digest('hex')
}

/** Every file under a folder in a fixed order; the file itself where it is one; none where there is nothing. */
export function filesUnder(path) {
  let entries
  try {
    entries = readdirSync(path, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path]
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name)
      if (entry.isDirectory()) return filesUnder(child)
      return entry.isFile() ? [child] : []
    })
}
