// Reads what torch.save has written since 1.6: a zip archive with a pickle, and a record for each storage.
import type { ByteRun } from '../byte-run.ts'
import { bytesPerElement } from '../dtypes.ts'
import { invalidFile, type FileBytes } from '../file-bytes.ts'
import { createCursor, type PickleCursor } from '../pickle/cursor.ts'
import { createBudget } from '../pickle/machine.ts'
import { readPickle } from '../pickle/read.ts'
import type { FileTensor, TensorFile } from '../tensor-file.ts'
import { tensorReaders } from '../tensor-readers.ts'
import type { TensorPlace } from '../tensor-values.ts'
import { entryRun, readZipDirectory, shown, type ZipDirectory, type ZipEntry } from '../zip.ts'
import { callTorch } from './rebuild.ts'
import { createStorages, parseStorageReference, type StorageReference } from './storages.ts'

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export async function readTorchZip(file: FileBytes): Promise<TensorFile> {
  const directory = readZipDirectory(file)
  const prefix = findPrefix(directory, file.what)
  const byteOrder = await readByteOrder(file, directory.get(`${prefix}byteorder`))
  const budget = createBudget(file.bytes, file.what)
  const storages = createStorages(budget)
  const recordOf = (key: string) => directory.get(`${prefix}data/${key}`)

  const context = { what: file.what, budget, storages }
  const root = readPickle(await pickleCursor(file, directory.get(`${prefix}data.pkl`) as ZipEntry), {
    budget,
    loadPersistent(id) {
      const reference = parseStorageReference(id, file.what)
      if (reference === null) throw invalidFile(file.what, 'a reference to a storage', 'one to something else')
      checkRecord(reference, recordOf(reference.key), file.what)
      return storages.add(reference)
    },
    call: (name, args) => callTorch(name, args, context),
  })

  const runs = new Map<string, ByteRun>()
  const runOf = (key: string) => {
    const run = runs.get(key) ?? entryRun(file, recordOf(key) as ZipEntry)
    runs.set(key, run)
    return run
  }
  const placeOf = ({ storage }: FileTensor): TensorPlace => {
    const { key, byteOffset } = storages.placeOf(storage)
    return { run: runOf(key), byteOffset, byteOrder }
  }
  return {
    format: 'TORCH_ZIP',
    root,
    metadata: {},
    bytes: file.bytes,
    ...tensorReaders(file, placeOf),
    close: () => file.close(),
  }
}

/** Everything in the archive lies in one folder, named as the file once was. */
function findPrefix(directory: ZipDirectory, what: string): string {
  const found = [...directory.keys()].filter((name) => /^([^/]*\/)?data\.pkl$/.test(name))
  const [name] = found
  if (name !== undefined && found.length === 1) {
    const prefix = name.slice(0, -'data.pkl'.length)
    if (directory.has(`${prefix}constants.pkl`)) {
      const fix = 'Load it with torch.jit.load and save its state_dict() with torch.save.'
      throw invalidFile(what, 'a file of torch.save', 'a TorchScript archive', fix)
    }
    return prefix
  }
  const names = [...directory.keys()].slice(0, 3).map(shown).join(', ')
  throw invalidFile(
    what,
    'a zip archive with one data.pkl, as torch.save writes',
    `${directory.size} entries: ${names}`,
  )
}

async function readByteOrder(file: FileBytes, entry: ZipEntry | undefined): Promise<'LE' | 'BE'> {
  if (entry === undefined) return 'LE'
  const text = entry.bytes > 16 ? '' : (await readWhole(entryRun(file, entry))).toString('latin1')
  if (text === 'little') return 'LE'
  if (text === 'big') return 'BE'
  throw invalidFile(file.what, 'byteorder "little" or "big"', shown(text))
}

async function pickleCursor(file: FileBytes, entry: ZipEntry): Promise<PickleCursor> {
  const { what } = file
  const run = entryRun(file, entry)
  if (run.at !== null)
    return createCursor(
      { what, bytes: run.at + run.bytes, readSync: (target, at) => file.readSync(target, at) },
      run.at,
    )
  const most = Math.max(file.bytes, 8 * 1024 * 1024)
  if (entry.bytes > most) throw invalidFile(what, `a data.pkl of at most ${most} bytes`, `${entry.bytes}`)
  const whole = await readWhole(run)
  return createCursor({ what, bytes: whole.length, readSync: (target, at) => void whole.copy(target, 0, at) })
}

async function readWhole(run: ByteRun): Promise<Buffer> {
  const whole = Buffer.allocUnsafe(run.bytes)
  const reader = run.open(0)
  try {
    await reader.fill(whole)
    return whole
  } finally {
    reader.close()
  }
}

function checkRecord({ key, elements, dtype }: StorageReference, entry: ZipEntry | undefined, what: string): void {
  if (entry === undefined) throw invalidFile(what, `a record data/${key}`, 'none, so the file is damaged')
  const bytes = elements * (dtype === null ? 0 : bytesPerElement[dtype])
  if (bytes > entry.bytes)
    throw invalidFile(what, `${bytes} bytes of storage "${key}"`, `a record of ${entry.bytes} bytes`)
}
