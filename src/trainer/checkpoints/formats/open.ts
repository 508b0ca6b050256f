// Opens a file of tensors, told by its content: what its name ends in says nothing.
import { invalidFile, openBytes, type FileBytes } from './file-bytes.ts'
import { readSafetensors } from './safetensors-file.ts'
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
  for (const { bytes, at, found, fix } of strangers)
    if (begins(bytes, at)) throw invalidFile(file.what, expected, found, fix)
  throw invalidFile(file.what, expected, file.bytes === 0 ? 'an empty file' : 'something else')
}

const expected = 'a file of torch.save or safetensors'

const strangers: readonly { bytes: string; at?: number; found: string; fix?: string }[] = [
  {
    bytes: 'ustar',
    at: 257,
    found: 'a tar archive, as PyTorch wrote before 0.1.10 and some tools pack folders',
    fix: 'Unpack it; if it is a checkpoint of such an age, load it with torch.load and save it again with torch.save.',
  },
  { bytes: '\x1f\x8b', found: 'a gzip archive', fix: 'Unpack it with gunzip.' },
  {
    bytes: '\x89HDF',
    found: 'an HDF5 file, as Keras writes',
    fix: 'Convert it to safetensors with its own framework.',
  },
  { bytes: '\x93NUMPY', found: 'a NumPy array', fix: 'Save a state_dict with torch.save.' },
  { bytes: 'GGUF', found: 'a GGUF file', fix: 'Convert it to safetensors.' },
  {
    bytes: 'version https://git-lfs',
    found: 'a pointer of Git LFS in place of the file',
    fix: 'Fetch the file itself with git lfs pull.',
  },
  { bytes: '<', found: 'a web page or XML', fix: 'Download the file itself; the page may ask for a sign-in.' },
]
