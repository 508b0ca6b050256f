// What every dataset becomes once it is opened: two splits of uint8 images with their labels, and the normalisation.

export interface ImageShape {
  channels: number
  height: number
  width: number
}

/** Images (C, H, W) of one byte a value, each where the tables say. */
export interface StoredImages {
  /** In memory, or in a file that is mapped. */
  source: { kind: 'MEMORY'; bytes: Uint8Array } | { kind: 'FILE'; path: string }
  /** First byte of each image. */
  offsets: Float64Array
  heights: Uint32Array
  widths: Uint32Array
}

export interface Split {
  count: number
  images: StoredImages
  /** Class index of each image. */
  labels: Uint16Array
  /** Of images that are made when they are first asked for: called before these are read. */
  prepare?: (indices: Uint32Array) => void
}

/** The most classes that labels can tell apart. */
export const maxClasses = 65_535

export interface Dataset {
  name: string
  /** Of what the network sees; images of another size are scaled to it. */
  shape: ImageShape
  classes: readonly string[]
  train: Split
  validation: Split
  normalisation: Normalisation
  /** Whether validation images are larger than the shape by a margin, which is cut off. Default: no. */
  margin?: boolean
  /** Images that were left out because they cannot be decoded. */
  skipped: readonly CorruptImage[]
}

export interface CorruptImage {
  /** Path within the dataset's folder. */
  file: string
  reason: string
}

/** Per channel, of pixel / 255 over all training images. */
export interface Normalisation {
  mean: number[]
  deviation: number[]
}

/** Values of one image: C x H x W. */
export function imageSize({ channels, height, width }: ImageShape): number {
  return channels * height * width
}

/** A split of images that all have one size and lie one behind the other in memory. */
export function splitInMemory(bytes: Uint8Array, labels: Uint16Array, shape: ImageShape): Split {
  const count = labels.length
  const size = imageSize(shape)
  return {
    count,
    labels,
    images: {
      source: { kind: 'MEMORY', bytes },
      offsets: Float64Array.from({ length: count }, (_, index) => index * size),
      heights: new Uint32Array(count).fill(shape.height),
      widths: new Uint32Array(count).fill(shape.width),
    },
  }
}

/** The bytes of a split that lies in memory. */
export function bytesOf({ images: { source } }: Split): Uint8Array {
  if (source.kind !== 'MEMORY') throw new Error(`in the file ${source.path}`)
  return source.bytes
}

/** Counts how often each grey level occurs, by channel: sums over it are exact however many images there are. */
export interface LevelCounts {
  /** (channels, 256) */
  readonly counts: Float64Array
  /** Adds images (N, C, plane). */
  add(bytes: Uint8Array, plane: number): void
  /** Mean and (population) standard deviation of each channel. */
  normalisation(): Normalisation
}

export function countLevels(channels: number): LevelCounts {
  const counts = new Float64Array(channels * 256)
  return {
    counts,
    add(bytes, plane) {
      for (let start = 0, channel = 0; start < bytes.length; start += plane, channel = (channel + 1) % channels) {
        const row = channel * 256
        for (let pixel = start; pixel < start + plane; pixel += 1) {
          const level = row + (bytes[pixel] as number)
          counts[level] = (counts[level] as number) + 1
        }
      }
    },
    normalisation() {
      const each = Array.from({ length: channels }, (_, channel) =>
        momentsOf(counts.subarray(channel * 256, (channel + 1) * 256)),
      )
      return { mean: each.map(({ mean }) => mean), deviation: each.map(({ deviation }) => deviation) }
    },
  }
}

/** Mean and standard deviation of each channel of images (N, C, H, W). */
export function normalisationOf(bytes: Uint8Array, { channels, height, width }: ImageShape): Normalisation {
  const levels = countLevels(channels)
  levels.add(bytes, height * width)
  return levels.normalisation()
}

function momentsOf(histogram: Float64Array): { mean: number; deviation: number } {
  let values = 0n
  let sum = 0n
  let squares = 0n
  histogram.forEach((times, level) => {
    values += BigInt(times)
    sum += BigInt(times) * BigInt(level)
    squares += BigInt(times) * BigInt(level * level)
  })
  const spread = Math.sqrt(Number(values * squares - sum * sum)) / Number(values) / 255
  // Images of one grey level throughout have nothing to scale.
  return { mean: Number(sum) / Number(values) / 255, deviation: spread > 0 ? spread : 1 }
}
