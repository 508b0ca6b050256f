// Opens a file of tensors, told by its content: what its name ends in says nothing.
import { invalidFile, openBytes, type FileBytes } from './file-bytes.ts'
import { readSafetensors } from './safetensors-file.ts'
import { findStranger } from './strangers.ts'
import type { TensorFile } from './tensor-file.ts'
import { readTorchLegacy } from './torch/legacy-file.ts'
import { readTorchZip } from './torch/zip-file.ts'

/**
 * Reads the file's values but not its tensors. Nothing that the file says is ever run.
 * @throws TrainqlError `CHECKPOINT_INVALID` with what the file is instead, where that can be told.
 */
export async function openTensorFile(path: string): Promise<TensorFile> {
  const file = await openBytes(path)
  try {
    return await read(file)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function read(file: FileBytes): Promise<TensorFile> {
  const head = Buffer.alloc(Math.min(512, file.bytes))
  await file.read(head, 0)
  const begins = (bytes: string, at = 0) => head.toString('latin1', at, at + bytes.length) === bytes
  if (begins('PK\x03\x04') || begins('PK\x05\x06')) return readTorchZip(file)
  // A pickle: its protocol, or the decimal digits of protocol 0 and 1.
  if (begins('\x80') || begins('L')) return readTorchLegacy(file)
  // A JSON header behind its length, which in no sane file needs the upper half of its 8 bytes.
  if (begins('{', 8) && begins('\0\0\0', 5)) return readSafetensors(file)
  const stranger = findStranger(head)
  throw invalidFile(file.what, expected, stranger?.found ?? 'something else', stranger?.fix)
}

const expected = 'a file of torch.save or safetensors'
