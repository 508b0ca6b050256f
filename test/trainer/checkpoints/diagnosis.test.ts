// The doctor on files that are no checkpoint, or no longer one: told by their content, whatever they are called.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inspect } from '../../../src/trainer/checkpoints/actions/inspect.ts'
import { encodeSafetensors } from '../../../src/trainer/checkpoints/safetensors.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { readForms } from './forms/forms.ts'

const forms = readForms()
const legacy = forms.get('state-dict-legacy.pth')?.content ?? Buffer.alloc(0)
const zip = forms.get('state-dict.pth')?.content ?? Buffer.alloc(0)
const tensors = new Map([['conv1.weight', { dtype: 'F32' as const, shape: [2, 3], bytes: new Uint8Array(24) }]])
const safetensors = Buffer.concat(encodeSafetensors({ tensors, metadata: {} }))
const tar = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\x0000'), Buffer.alloc(248)])
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
/** A stored zip entry without content, its directory and the directory's end. */
function zipOf(name: string): Buffer {
  const local = Buffer.concat([
    latin1('PK\x03\x04'),
    Buffer.alloc(22),
    Buffer.from([name.length, 0, 0, 0]),
    latin1(name),
  ])
  const central = Buffer.concat([
    latin1('PK\x01\x02'),
    Buffer.alloc(24),
    Buffer.from([name.length, 0]),
    Buffer.alloc(16),
    latin1(name),
  ])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}

test.each<[what: string, content: Buffer, code: string, message: RegExp]>([
  ['an empty file', Buffer.alloc(0), 'NOT_A_CHECKPOINT', /found an empty file/],
  ['a sign-in page', latin1('\n<html><head><title>Sign in</title>'), 'NOT_A_CHECKPOINT', /found a web page, "Sign in"/],
  [
    'an XML error',
    latin1('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    'NOT_A_CHECKPOINT',
    /a web page/,
  ],
  [
    'a Git LFS pointer',
    latin1('version https://git-lfs.github.com/spec/v1\n'),
    'NOT_A_CHECKPOINT',
    /a pointer of Git LFS/,
  ],
  ['a tar archive', tar, 'NOT_A_CHECKPOINT', /a tar archive/],
  ['a gzip archive', latin1('\x1f\x8b\x08'), 'NOT_A_CHECKPOINT', /a gzip archive/],
  ['Keras in HDF5', latin1('\x89HDF\r\n\x1a\n'), 'NOT_A_CHECKPOINT', /an HDF5 file, as Keras and TensorFlow write/],
  ['Keras in zip', zipOf('model.weights.h5'), 'NOT_A_CHECKPOINT', /model\.weights\.h5/],
  ['an ONNX model', Buffer.from([8, 8, 0x12, 7, ...latin1('pytorch')]), 'NOT_A_CHECKPOINT', /an ONNX model/],
  ['a TensorFlow SavedModel', Buffer.from([8, 1, 0x12, 5, 0]), 'NOT_A_CHECKPOINT', /a TensorFlow SavedModel/],
  ['a JSON error', latin1('{"error": "not found"}'), 'NOT_A_CHECKPOINT', /JSON text/],
  ['text', latin1('hello'), 'NOT_A_CHECKPOINT', /something else/],
  ['a zip file of torch.save, cut', zip.subarray(0, zip.length - 100), 'TRUNCATED', /cut short/],
  ['a legacy file, cut in its pickles', legacy.subarray(0, 3000), 'TRUNCATED', /cut short/],
  ['a legacy file, cut in its storages', legacy.subarray(0, legacy.length - 4), 'TRUNCATED', /cut short/],
  ['safetensors, cut in the header', safetensors.subarray(0, 40), 'TRUNCATED', /cut short/],
  ['safetensors, cut in the data', safetensors.subarray(0, safetensors.length - 1), 'TRUNCATED', /cut short/],
  ['safetensors with more behind', Buffer.concat([safetensors, Buffer.alloc(1)]), 'DAMAGED', /data bytes/],
])('%s', async (_, content, code, message) => {
  const file = join(temporaryFolder(), 'model.pth')
  writeFileSync(file, content)
  const target = { architecture: null, classes: null, inputChannels: null }
  const inspection = await inspect({ action: 'INSPECT', file, target }, () => undefined)
  expect(inspection).toMatchObject({
    file,
    bytes: content.length,
    format: null,
    layout: null,
    report: null,
    loads: false,
  })
  expect(inspection.problems).toMatchObject([{ code, blocks: true, message: expect.stringMatching(message) as string }])
})
