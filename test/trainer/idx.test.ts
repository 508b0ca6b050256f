// IDX files: exact contents, and every kind of damage named by file, offset, expected and found.
import { truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { isTrainqlError } from '../../src/shared/errors.ts'
import { readIdxDataset } from '../../src/trainer/datasets/idx.ts'
import { bytesOf } from '../../src/trainer/datasets/dataset.ts'
import { idxImages, idxLabels, smallIdx, writeIdx, type IdxParts } from './fixtures/idx-files.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

const classes = ['a', 'b', 'c']

function read(folder: string): ReturnType<typeof readIdxDataset> {
  return readIdxDataset({ name: 'small', folder, classes })
}

/** The error's words behind the folder, which differs from test to test. */
function complaint(folder: string): { code: string; message: string; fix: string } {
  try {
    read(folder)
  } catch (error) {
    if (!isTrainqlError(error)) throw error
    const { code, message, fix } = error
    return { code, message: message.replace(`${folder}/`, ''), fix: fix.replace(folder, basename('FOLDER')) }
  }
  throw new Error('the dataset was accepted')
}

describe.each([{ gzip: false }, { gzip: true }])('IDX files, $gzip', ({ gzip }) => {
  test('are read whole', () => {
    const folder = temporaryFolder()
    writeIdx(folder, smallIdx(), { gzip })
    const dataset = read(folder)
    expect(dataset).toMatchObject({ name: 'small', classes, shape: { channels: 1, height: 2, width: 3 } })
    expect([...bytesOf(dataset.train)]).toEqual([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25])
    expect([...dataset.train.labels]).toEqual([2, 0, 1])
    expect(dataset.validation.count).toBe(2)
    expect([...dataset.validation.labels]).toEqual([1, 2])
    // Mean 12.5; the squares' mean less its square is 200/3 + 35/12.
    expect(dataset.normalisation.mean[0]).toBeCloseTo(12.5 / 255, 12)
    expect(dataset.normalisation.deviation[0]).toBeCloseTo(Math.sqrt(200 / 3 + 35 / 12) / 255, 12)
  })
})

describe('a damaged IDX dataset is refused', () => {
  const withMagic = (bytes: Buffer, magic: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy.writeUInt32BE(magic)
    return copy
  }
  const cases: [what: string, damage: (parts: IdxParts) => Partial<IdxParts>, message: string][] = [
    [
      'wrong magic of the images',
      (parts) => ({ 'train-images-idx3-ubyte': withMagic(parts['train-images-idx3-ubyte'], 0x801) }),
      'train-images-idx3-ubyte: at byte 0 expected magic number 0x00000803; found 0x00000801.',
    ],
    [
      'wrong magic of the labels',
      (parts) => ({ 't10k-labels-idx1-ubyte': withMagic(parts['t10k-labels-idx1-ubyte'], 0xdeadbeef) }),
      't10k-labels-idx1-ubyte: at byte 0 expected magic number 0x00000801; found 0xdeadbeef.',
    ],
    [
      'an empty file',
      () => ({ 'train-images-idx3-ubyte': Buffer.alloc(0) }),
      'train-images-idx3-ubyte: at byte 0 expected a header of 16 bytes; found end of file after 0.',
    ],
    [
      'a header cut short',
      (parts) => ({ 'train-images-idx3-ubyte': parts['train-images-idx3-ubyte'].subarray(0, 13) }),
      'train-images-idx3-ubyte: at byte 13 expected a header of 16 bytes; found end of file after 13.',
    ],
    [
      'values cut short',
      (parts) => ({ 't10k-images-idx3-ubyte': parts['t10k-images-idx3-ubyte'].subarray(0, -1) }),
      't10k-images-idx3-ubyte: at byte 27 expected 28 bytes for 2 x 2 x 3 values; found end of file after 27.',
    ],
    [
      'sizes that would need more memory than there is',
      () => ({ 'train-images-idx3-ubyte': Buffer.from('00000803ffffffffffffffffffffffff', 'hex') }),
      'train-images-idx3-ubyte: at byte 16 expected 79228162458924105385300197391 bytes for 4294967295 x 4294967295 x ' +
        '4294967295 values; found end of file after 16.',
    ],
    [
      'bytes behind the values',
      (parts) => ({ 'train-labels-idx1-ubyte': Buffer.concat([parts['train-labels-idx1-ubyte'], Buffer.alloc(2)]) }),
      'train-labels-idx1-ubyte: at byte 11 expected end of file after 3 values; found 2 more bytes.',
    ],
    [
      'a label out of range',
      () => ({ 'train-labels-idx1-ubyte': idxLabels([2, 0, 3]) }),
      'train-labels-idx1-ubyte: at byte 10 expected a label from 0 to 2; found 3.',
    ],
    [
      'fewer labels than images',
      () => ({ 'train-labels-idx1-ubyte': idxLabels([2, 0]) }),
      'train-labels-idx1-ubyte: at byte 4 expected 3 labels, one for each image of train-images-idx3-ubyte; found 2.',
    ],
    [
      'no images at all',
      () => ({ 't10k-images-idx3-ubyte': idxImages([], [2, 3]), 't10k-labels-idx1-ubyte': idxLabels([]) }),
      't10k-images-idx3-ubyte: at byte 4 expected at least one image; found 0.',
    ],
    [
      'images of no rows',
      () => ({ 'train-images-idx3-ubyte': idxImages([[], [], []], [0, 3]) }),
      'train-images-idx3-ubyte: at byte 8 expected at least one row; found 0.',
    ],
    [
      'validation images of another size',
      () => ({
        't10k-images-idx3-ubyte': idxImages(
          [
            [1, 2],
            [3, 4],
          ],
          [1, 2],
        ),
      }),
      't10k-images-idx3-ubyte: at byte 8 expected images of 2x3 as in train-images-idx3-ubyte; found 1x2.',
    ],
  ]
  test.each(cases)('%s', (_, damage, message) => {
    const folder = temporaryFolder()
    writeIdx(folder, smallIdx())
    writeIdx(folder, damage(smallIdx()))
    expect(complaint(folder)).toEqual({
      code: 'DATASET_INVALID',
      message,
      fix: `Replace ${message.slice(0, message.indexOf(':'))} with an undamaged copy.`,
    })
  })

  test('a missing file', () => {
    const folder = temporaryFolder()
    const { 't10k-labels-idx1-ubyte': _, ...others } = smallIdx()
    writeIdx(folder, others)
    expect(complaint(folder)).toEqual({
      code: 'DATASET_INVALID',
      message: 't10k-labels-idx1-ubyte: expected this file, or t10k-labels-idx1-ubyte.gz beside it; found neither.',
      fix: 'Put t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz into FOLDER.',
    })
  })

  test('a gzip stream cut short', () => {
    const folder = temporaryFolder()
    writeIdx(folder, smallIdx(), { gzip: true })
    truncateSync(join(folder, 'train-images-idx3-ubyte.gz'), 30)
    expect(complaint(folder).message).toBe(
      'train-images-idx3-ubyte.gz: at byte 0 expected a whole gzip stream; found unexpected end of file.',
    )
  })

  test('a gzip stream with damaged bytes', () => {
    const folder = temporaryFolder()
    writeIdx(folder, smallIdx(), { gzip: true })
    const bytes = gzipSync(smallIdx()['train-images-idx3-ubyte'])
    bytes.fill(0xff, 12, 20)
    writeFileSync(join(folder, 'train-images-idx3-ubyte.gz'), bytes)
    expect(complaint(folder).message).toMatch(
      /^train-images-idx3-ubyte\.gz: at byte 0 expected a whole gzip stream; found /,
    )
  })
})
