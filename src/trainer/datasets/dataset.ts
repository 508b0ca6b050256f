// What every dataset becomes once read: two splits of uint8 images with their labels, and the normalisation.

export interface ImageShape {
  channels: number
  height: number
  width: number
}

export interface Split {
  count: number
  /** (count, C, H, W), one byte a value. */
  images: Uint8Array
  /** Class index of each image. */
  labels: Uint8Array
}

export interface Dataset {
  name: string
  shape: ImageShape
  classes: readonly string[]
  train: Split
  validation: Split
  normalisation: Normalisation
}

/** Per channel, of pixel / 255 over all training images. */
export interface Normalisation {
  mean: readonly number[]
  deviation: readonly number[]
}

/** Values of one image: C x H x W. */
export function imageSize({ channels, height, width }: ImageShape): number {
  return channels * height * width
}

/** Mean and (population) standard deviation of each channel, from exact integer sums. */
export function normalisationOf({ count, images }: Split, shape: ImageShape): Normalisation {
  const plane = shape.height * shape.width
  const mean: number[] = []
  const deviation: number[] = []
  for (let channel = 0; channel < shape.channels; channel += 1) {
    // A histogram first: then the sums are exact however many images there are.
    const histogram = new Float64Array(256)
    for (let image = 0; image < count; image += 1) {
      const start = (image * shape.channels + channel) * plane
      for (let pixel = start; pixel < start + plane; pixel += 1) {
        const level = images[pixel] as number
        histogram[level] = (histogram[level] as number) + 1
      }
    }
    let sum = 0n
    let squares = 0n
    histogram.forEach((times, value) => {
      sum += BigInt(times) * BigInt(value)
      squares += BigInt(times) * BigInt(value * value)
    })
    const values = BigInt(count * plane)
    mean.push(Number(sum) / Number(values) / 255)
    const spread = Math.sqrt(Number(values * squares - sum * sum)) / Number(values) / 255
    // Images of one grey level throughout have nothing to scale.
    deviation.push(spread > 0 ? spread : 1)
  }
  return { mean, deviation }
}
