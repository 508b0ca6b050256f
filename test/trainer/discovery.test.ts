// Which folders are datasets: each kind by its files, without an image being read, and what is said of those that are none.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { discoverDatasets, getDataset, listAbsentRoots } from '../../src/shared/datasets.ts'
import { listImageFolder } from '../../src/shared/datasets/image-folder.ts'
import { smallIdx, writeIdx } from './fixtures/idx-files.ts'
import { writeFiles } from './fixtures/image-folders.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

let root: string
beforeEach(() => {
  root = temporaryFolder()
})

describe('image folders', () => {
  test('are listed by their files, classes in the order of their names', async () => {
    writeFiles(join(root, 'pets'), {
      'train/dog/1.jpg': '',
      'train/dog/2.JPEG': '',
      'train/Ant/1.png': '',
      'train/cat/1.webp': '',
      'train/cat/readme.txt': '',
      'train/.cache/1.png': '',
      'val/dog/1.jpg': '',
      'test/dog/1.jpg': '',
      'test/dog/2.jpg': '',
    })
    expect(await getDataset('pets', [root])).toEqual({
      name: 'pets',
      kind: 'IMAGE_FOLDER',
      description: '4 + 1 image files in 3 classes. Left out: 1 other file or folder, such as train/cat/readme.txt.',
      trainImages: 4,
      validationImages: 1,
      channels: 3,
      height: null,
      width: null,
      classes: ['Ant', 'cat', 'dog'],
      path: join(root, 'pets'),
    })
    expect(await listImageFolder(join(root, 'pets'))).toEqual({
      classes: ['Ant', 'cat', 'dog'],
      train: [
        { path: 'train/Ant/1.png', label: 0 },
        { path: 'train/cat/1.webp', label: 1 },
        { path: 'train/dog/1.jpg', label: 2 },
        { path: 'train/dog/2.JPEG', label: 2 },
      ],
      validation: [{ path: 'val/dog/1.jpg', label: 2 }],
    })
  })

  test.each(['val', 'validation', 'test'])('take their validation images from %s', async (folder) => {
    writeFiles(join(root, 'pets'), { 'train/a/1.png': '', [`${folder}/a/1.png`]: '' })
    expect(await getDataset('pets', [root])).toMatchObject({ validationImages: 1 })
  })

  test('tell of what is no image file that they read, over all classes', async () => {
    writeFiles(join(root, 'pets'), {
      'train/a/1.png': '',
      'train/a/.hidden': '',
      'train/b/1.png': '',
      'train/b/2.bmp': '',
      'train/b/more/1.png': '',
      'val/b/1.png': '',
    })
    const told = async (): Promise<string> => (await getDataset('pets', [root])).description
    expect(await told()).toBe(
      '2 + 1 image files in 2 classes. Left out: 2 other files or folders, such as train/b/2.bmp.',
    )
    rmSync(join(root, 'pets/train/b/2.bmp'))
    rmSync(join(root, 'pets/train/b/more'), { recursive: true })
    expect(await told()).toBe('2 + 1 image files in 2 classes.')
  })

  test('are counted anew when files come and go', async () => {
    writeFiles(join(root, 'pets'), { 'train/a/1.png': '', 'val/a/1.png': '' })
    expect(await getDataset('pets', [root])).toMatchObject({ trainImages: 1 })
    writeFiles(join(root, 'pets'), { 'train/a/2.png': '' })
    expect(await getDataset('pets', [root])).toMatchObject({ trainImages: 2 })
  })

  test('may be links, and so may their classes', async () => {
    writeFiles(join(root, 'elsewhere'), { 'a/1.png': '' })
    mkdirSync(join(root, 'roots/pets/val'), { recursive: true })
    symlinkSync(join(root, 'elsewhere'), join(root, 'roots/pets/train'))
    symlinkSync(join(root, 'elsewhere/a'), join(root, 'roots/pets/val/a'))
    expect(await getDataset('pets', [join(root, 'roots')])).toMatchObject({ trainImages: 1, validationImages: 1 })
  })

  test.each<[string, Record<string, string>, string, string]>([
    [
      'without validation images',
      { 'train/a/1.png': '' },
      'expected val/, validation/ or test/ with a folder a class beside train/; found none.',
      'Put the validation images into FOLDER/val/<class>/.',
    ],
    [
      'with a class that is validated only',
      { 'train/a/1.png': '', 'val/b/1.png': '' },
      '/val/b: expected one of the 1 classes of train; there is no train/b.',
      'Remove val/b, or add its training images.',
    ],
  ])('%s are damaged', async (_, files, message, fix) => {
    const folder = join(root, 'pets')
    writeFiles(folder, files)
    const { datasets, damaged } = await discoverDatasets([root])
    expect(datasets.map(({ name }) => name)).toEqual(['shapes'])
    expect(damaged).toMatchObject([
      { name: 'pets', path: folder, error: { code: 'DATASET_INVALID', fix: fix.replace('FOLDER', folder) } },
    ])
    expect(damaged[0]?.error.message.replace(folder, '').replace(/^: /, '')).toBe(message)
  })

  test.each([
    ['a class', { 'train/a/1.png': '', 'train/b/notes.txt': '', 'val/a/1.png': '' }, 'train/b'],
    ['all of validation', { 'train/a/1.png': '', 'val/a/notes.txt': '' }, 'val'],
  ])(
    'whose images are missing from %s are refused, when they are listed as when they are opened',
    async (_, files, empty) => {
      writeFiles(join(root, 'pets'), files)
      const refusal = {
        code: 'DATASET_INVALID',
        message: `${join(root, 'pets', empty)}: expected at least one .jpg, .jpeg, .png or .webp file; found none.`,
      }
      await expect(getDataset('pets', [root])).rejects.toMatchObject(refusal)
      await expect(listImageFolder(join(root, 'pets'))).rejects.toMatchObject(refusal)
    },
  )
})

describe('roots', () => {
  test('hold datasets of every kind, the earlier root first, and other folders beside them', async () => {
    writeFiles(join(root, '1/pets'), { 'train/a/1.png': '', 'val/a/1.png': '' })
    writeFiles(join(root, '2/pets'), { 'train/a/1.png': '', 'train/a/2.png': '', 'val/a/1.png': '' })
    writeFiles(join(root, '2/notes'), { 'train.txt': '', 'read.me': '' })
    mkdirSync(join(root, '2/small'))
    writeIdx(join(root, '2/small'), smallIdx())
    const roots = [join(root, '1'), join(root, '2'), join(root, 'absent')]
    const { datasets, damaged } = await discoverDatasets(roots)
    expect(damaged).toEqual([])
    expect(datasets.map(({ name, kind, trainImages }) => [name, kind, trainImages])).toEqual([
      ['shapes', 'BUILT_IN', 12_000],
      ['pets', 'IMAGE_FOLDER', 1],
      ['small', 'IDX', 3],
    ])
    await expect(getDataset('cats', roots.slice(0, 2))).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      message: 'There is no dataset "cats"; there are shapes, pets, small.',
      fix: 'Name one of these, or put the folder cats with its files into a folder listed in TRAINQL_DATA.',
    })
  })

  test('that are not there are named where a dataset is not found', async () => {
    const roots = [join(root, 'absent'), root]
    expect(await listAbsentRoots(roots)).toEqual([join(root, 'absent')])
    await expect(getDataset('absent', roots)).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      message: `There is no dataset "absent"; there are shapes. Of the folders of TRAINQL_DATA, ${join(root, 'absent')} cannot be looked into.`,
      fix: 'Name one of these, or put the folder absent with its files into a folder listed in TRAINQL_DATA.',
    })
  })

  test.each<[string, string, (root: string) => string]>([
    ['a path of one that is found', '/data/pets', () => "Name it by its folder's name alone, pets."],
    [
      'a path of one that is not',
      './other/cats',
      () =>
        "Name a dataset by its folder's name, cats, and start the server with a folder that holds it in TRAINQL_DATA.",
    ],
    [
      'a folder that holds none',
      'notes',
      (folder) =>
        `${join(folder, 'notes')} holds no dataset: put train-images-idx3-ubyte and its companions there, data_batch_1.bin and its companions, or train/<class>/ and val/<class>/ with images.`,
    ],
  ])('say what to do about %s', async (_, name, fix) => {
    writeFiles(join(root, 'pets'), { 'train/a/1.png': '', 'val/a/1.png': '' })
    writeFiles(join(root, 'notes'), { 'train/1.png': '' })
    await expect(getDataset(name, [root])).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      message: `There is no dataset "${name}"; there are shapes, pets.`,
      fix: fix(root),
    })
  })
})
