// What a file is that is no file of tensors, told by how it begins: the usual mistakes, and what to do about each.

export interface Stranger {
  found: string
  /** Absent where there is nothing to do but to find the right file. */
  fix?: string
}

/** @param head the file's first bytes, 512 where it has as many. */
export function findStranger(head: Buffer): Stranger | null {
  if (head.length === 0) return { found: 'an empty file', fix: 'Copy, download or save it again.' }
  const page = findWebPage(head)
  if (page !== null) return page
  return (
    signatures.find(({ bytes, at = 0 }) => head.toString('latin1', at, at + bytes.length) === bytes) ??
    findProtobuf(head)
  )
}

function findWebPage(head: Buffer): Stranger | null {
  const text = head.toString('utf8')
  if (!/^\uFEFF?\s*<(!doctype html|html|head|\?xml)/i.test(text)) return null
  const title = /<title[^>]*>\s*([^<]{1,80}?)\s*<\/title>/i.exec(text)?.[1]
  return {
    found: `a web page${title === undefined ? '' : `, "${title}"`}`,
    fix: 'Download the file itself: the address may have moved, or ask for a sign-in.',
  }
}

const convert = 'Convert it to safetensors with its own framework.'

const signatures: readonly (Stranger & { bytes: string; at?: number })[] = [
  {
    bytes: 'ustar',
    at: 257,
    found: 'a tar archive, as PyTorch wrote before 0.1.10 and some tools pack folders',
    fix: 'Unpack it; if it is a checkpoint of such an age, load it with torch.load and save it again with torch.save.',
  },
  { bytes: '\x1f\x8b', found: 'a gzip archive', fix: 'Unpack it with gunzip.' },
  { bytes: '\x28\xb5\x2f\xfd', found: 'a zstd archive', fix: 'Unpack it with unzstd.' },
  { bytes: 'BZh', found: 'a bzip2 archive', fix: 'Unpack it with bunzip2.' },
  { bytes: '\xfd7zXZ\0', found: 'an xz archive', fix: 'Unpack it with unxz.' },
  { bytes: '7z\xbc\xaf\x27\x1c', found: 'a 7-Zip archive', fix: 'Unpack it.' },
  { bytes: '\x89HDF', found: 'an HDF5 file, as Keras and TensorFlow write', fix: convert },
  { bytes: '\x93NUMPY', found: 'a NumPy array', fix: 'Save a state_dict with torch.save.' },
  { bytes: 'GGUF', found: 'a GGUF file', fix: convert },
  { bytes: 'TFL3', at: 4, found: 'a TensorFlow Lite model', fix: convert },
  {
    bytes: 'version https://git-lfs',
    found: 'a pointer of Git LFS in place of the file',
    fix: 'Fetch the file itself with git lfs pull.',
  },
  { bytes: '\x89PNG', found: 'a PNG image' },
  { bytes: '\xff\xd8\xff', found: 'a JPEG image' },
  { bytes: '\x7fELF', found: 'a program or library' },
  { bytes: '{', found: 'JSON text' },
  { bytes: '[', found: 'JSON text' },
  { bytes: '<', found: 'a web page or XML', fix: 'Download the file itself; the page may ask for a sign-in.' },
]

/** Protocol buffers have no signature, but a first field: a version, and behind it a field that only these have. */
function findProtobuf(head: Buffer): Stranger | null {
  const [tag, version = 0, next = 0] = head
  if (tag !== 0x08 || version === 0 || version > 32) return null
  // saved_model_schema_version = 1, then meta_graphs.
  if (version === 1 && next === 0x12) return { found: 'a TensorFlow SavedModel', fix: convert }
  // ir_version, then producer_name … functions.
  if ([0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42, 0x72].includes(next)) {
    return {
      found: 'an ONNX model',
      fix: 'Use the checkpoint that it was exported from: weights there have other names.',
    }
  }
  return null
}
