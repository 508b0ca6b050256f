// Checkpoint files as PyTorch writes them, in every form that people have: made by make.py, with real shapes and no size.
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

/** Outcomes are `ok` or the name of the exception; null where it did not come so far. */
export interface PyTorchOutcome {
  /** `torch.load(file)` on a machine without a GPU. */
  weightsOnly: string
  /** The same, with `weights_only=False` where that is what it takes. */
  load: string
  /** `load_state_dict` of what was loaded into a ResNet-18 with 10 classes. */
  strict: string | null
}

export interface Form extends PyTorchOutcome {
  name: string
  content: Buffer
}

/** By their names. */
export function readForms(): Map<string, Form> {
  const archive = brotliDecompressSync(readFileSync(new URL('./forms.br', import.meta.url)))
  const headerEnd = archive.indexOf('\n')
  const index = JSON.parse(archive.toString('utf8', 0, headerEnd)) as (PyTorchOutcome & {
    name: string
    bytes: number
  })[]
  const forms = new Map<string, Form>()
  let at = headerEnd + 1
  for (const { bytes, ...told } of index) {
    forms.set(told.name, { ...told, content: archive.subarray(at, at + bytes) })
    at += bytes
  }
  if (at !== archive.length) throw new Error(`forms.br: ${archive.length - at} bytes too many`)
  return forms
}
