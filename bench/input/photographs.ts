// JPEG files as photographs are: large soft areas, some noise, a few tens of kilobytes. Made here, since no data set is ours
// to ship.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { createRandom } from '../../src/trainer/random.ts'

export interface Photographs {
  train: number
  validation: number
  width: number
  height: number
}

const classes = 10
/** One of so many pixels a side is drawn, the rest lies between them. */
const coarseness = 10

/** Writes `train/<class>/*.jpg` and `val/<class>/*.jpg`; returns the mean size of a file in bytes. */
export async function writePhotographs(
  folder: string,
  { train, validation, width, height }: Photographs,
): Promise<number> {
  let bytes = 0
  for (const [split, count] of [
    ['train', train],
    ['val', validation],
  ] as const) {
    for (let index = 0; index < count; index += 1) {
      const place = join(folder, split, String(index % classes))
      if (index < classes) await mkdir(place, { recursive: true })
      const file = await photograph(index + (split === 'val' ? train : 0), { width, height })
      bytes += file.length
      await writeFile(join(place, `${index}.jpg`), file)
    }
  }
  return bytes / (train + validation)
}

async function photograph(index: number, { width, height }: { width: number; height: number }): Promise<Buffer> {
  const random = createRandom({ seed: 0, stream: 'shapes', substream: index })
  const [columns, rows] = [Math.ceil(width / coarseness), Math.ceil(height / coarseness)]
  const areas = Buffer.from(Uint8Array.from({ length: columns * rows * 3 }, () => random.below(256)))
  const soft = await sharp(areas, { raw: { width: columns, height: rows, channels: 3 } })
    .resize({ width, height, fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer()
  for (let at = 0; at < soft.length; at += 1) {
    soft[at] = Math.min(255, Math.max(0, (soft[at] as number) + random.below(17) - 8))
  }
  return sharp(soft, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer()
}
