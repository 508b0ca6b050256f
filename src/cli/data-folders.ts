// The folders that --data names, which must be there: a typing error would otherwise look like a server without datasets.
import { existsSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { CliFailure } from './failure.ts'

/** @throws CliFailure naming the first that is not there */
export function dataFolders(data: string): string[] {
  const folders = data.split(delimiter).map((folder) => resolve(folder))
  const missing = folders.find((folder) => !existsSync(folder))
  if (missing === undefined) return folders
  throw new CliFailure(`There is no folder ${missing}.`, 'Correct --data.')
}
