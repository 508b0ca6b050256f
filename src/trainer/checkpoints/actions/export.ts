// EXPORT: a checkpoint as one file that other programs read, whole or not at all.
import { readFile } from 'node:fs/promises'
import type { RequestOf, RunAction, Say } from '../action.ts'
import { checkDestination, writingFailed } from '../export/destination.ts'
import { factsOf, openExportSource, type ExportSource } from '../export/source.ts'
import { torchContent } from '../export/torch.ts'
import { encodeTorchFile } from '../formats/torch-writer.ts'
import { encodeOnnx } from '../onnx/export.ts'
import { encodeSafetensors } from '../safetensors.ts'
import { toRawTensors } from '../state-dict.ts'
import { writeWholeFile, type Pieces } from '../whole-file.ts'

/** Bytes between two words of progress. */
const progressBytes = 16 * 2 ** 20

interface Encoded {
  byteLength: number
  pieces: Pieces
}

export const run: RunAction<'EXPORT'> = async (request, say) => {
  const { file, out, format, trainingFile } = request
  checkDestination(out)
  const { byteLength, pieces } = await encode(await openExportSource(file, format === 'TORCH' && trainingFile), request)
  try {
    const written = await writeWholeFile(out, pieces, progress(byteLength, say))
    return { kind: 'EXPORTED', exported: { out, format, ...written } }
  } catch (error) {
    throw writingFailed(error, out)
  }
}

async function encode(source: ExportSource, request: RequestOf<'EXPORT'>): Promise<Encoded> {
  const { graph, state } = source
  switch (request.format) {
    case 'SAFETENSORS': {
      const metadata = { format: 'pt', ...factsOf(source) }
      const pieces = encodeSafetensors({ tensors: toRawTensors(state), metadata })
      return { byteLength: pieces.reduce((sum, { length }) => sum + length, 0), pieces }
    }
    case 'ONNX': {
      const { byteLength, pieces } = encodeOnnx({
        graph,
        state,
        foldBatchNorm: request.foldBatchNorm,
        producerVersion: await ownVersion(),
        metadata: factsOf(source),
      })
      return { byteLength, pieces: made(pieces) }
    }
    case 'TORCH':
      return encodeTorchFile(torchContent(source, request))
    default:
      return request.format satisfies never
  }
}

function* made(pieces: ReturnType<typeof encodeOnnx>['pieces']): Iterable<Uint8Array> {
  for (const piece of pieces) yield piece instanceof Uint8Array ? piece : piece.make()
}

function progress(ofBytes: number, say: Say): (doneBytes: number) => void {
  let said = 0
  return (doneBytes) => {
    if (doneBytes - said < progressBytes) return
    said = doneBytes
    say({ kind: 'PROGRESS', doneBytes, ofBytes })
  }
}

async function ownVersion(): Promise<string> {
  const manifest = await readFile(new URL('../../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
