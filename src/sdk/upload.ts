// Sends files to the server: those of this machine by their path, and what is in memory.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import type { CallOptions } from './client.ts'
import { failureOf, TrainqlFailure } from './errors.ts'
import * as operations from './generated/operations.ts'
import { openLocalFile } from './local-files.ts'
import { type Body, putBytes, type TransferOptions } from './transfer.ts'

/** A path on this machine, or what would be in a file. */
export type UploadContent = string | Blob | ReadableStream

export interface UploadDeps {
  send: <Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options?: CallOptions & { timeoutMs?: number },
  ) => Promise<Data>
  transfer: TransferOptions
  /** The caller's, and the client's own end. */
  signalOf: (options: CallOptions) => AbortSignal
}

/** Returns the upload's id. @throws TrainqlFailure */
export async function upload(
  { send, transfer, signalOf }: UploadDeps,
  { content: source, name }: { content: UploadContent; name?: string | undefined },
  call: CallOptions,
): Promise<string> {
  const { content, bytes, fileName } = await bodyOf(source, name)
  const input = { fileName, bytes: bytes === null ? null : String(bytes) }
  const { createCheckpointUpload: made } = await send(operations.CreateCheckpointUploadDocument, { input }, call)
  if (made.__typename !== 'CheckpointUpload') throw failureOf(made)
  await putBytes(transfer, made.url, { content, bytes }, signalOf(call))
  return made.id
}

interface NamedBody extends Body {
  fileName: string
}

async function bodyOf(source: UploadContent, name: string | undefined): Promise<NamedBody> {
  if (typeof source === 'string') {
    const { name: own, bytes, body } = await openLocalFile(source)
    return { content: body, bytes, fileName: own }
  }
  // A File has a name of its own.
  const fileName = name ?? (source instanceof Blob && 'name' in source ? String(source.name) : undefined)
  if (fileName !== undefined) return { content: source, bytes: source instanceof Blob ? source.size : null, fileName }
  throw new TrainqlFailure({
    type: 'InvalidInputFailure',
    code: 'INVALID_INPUT',
    field: 'fileName',
    message: 'Expected fileName, since what is to be imported is no file; got none.',
    fix: 'Give fileName, such as resnet18.pth.',
  })
}
