// Decodes one image file to the bytes that are kept of it: (3, H, W), turned upright, in sRGB, scaled as the set needs it.
import sharp, { type OutputInfo, type Sharp } from 'sharp'
import { messageOf } from '../../../shared/datasets/dataset-info.ts'
import type { Box, Size } from '../../input/placement.ts'

/** Whose pixels a decoded set holds; another version may round differently. */
export const decoderVersion = `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`

/** What is kept of the images of a set. */
export interface Geometry {
  /** What the network sees; null: every image as it is, and all of one size. */
  output: Size | null
  /**
   * For crops of random scale: training images keep all of their area, and all images are made larger than the output by
   * `margin`, so that what such training sees and what validation cuts out of the middle are of one scale.
   */
  randomScale: boolean
}

/** As torchvision's references for ImageNet: Resize(256), then CenterCrop(224). */
const margin = 256 / 224

export interface DecodedImage {
  /** (3, height, width) */
  planes: Uint8Array
  size: Size
}

const channels = 3

/** An image that holds more pixels than this ends the decoder: it may be made to. */
const maxPixels = 2 ** 28

/**
 * Images are scaled until they cover what they are to cover, and cut to its middle. None is enlarged: it would only take
 * room, and is done as the image is put into a batch.
 * @throws Error with the decoder's reason where the bytes are no whole JPEG, PNG or WebP image.
 */
export async function decodeImage(
  bytes: Buffer,
  { output, randomScale }: Geometry,
  split: 'train' | 'validation',
): Promise<DecodedImage> {
  const covered = output !== null && randomScale ? larger(output) : output
  const { data, info } = await pixelsOf(covered === null ? opened(bytes) : await scaled(bytes, covered))
  const size = { height: info.height, width: info.width }
  const whole = output === null || covered === null || (randomScale && split === 'train')
  const box = whole ? { top: 0, left: 0, ...size } : middle(size, { output, covered })
  return { planes: planesOf(data, size.width, box), size: { height: box.height, width: box.width } }
}

/** The decoder goes on to list what followed from the first thing that was wrong. */
export function decodingProblem(error: unknown): string {
  return messageOf(error).trim().split('\n', 1)[0] ?? ''
}

function opened(bytes: Buffer): Sharp {
  return sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels }).autoOrient()
}

async function scaled(bytes: Buffer, covered: Size): Promise<Sharp> {
  let image = opened(bytes)
  if ((await image.metadata()).hasAlpha) {
    // Scaled together with alpha, colours would count by how opaque they are; they are to count as convert('RGB') leaves them.
    const { data, info } = await pixelsOf(image)
    image = sharp(data, { raw: { width: info.width, height: info.height, channels } })
  }
  // `linear` is the triangle filter over all covered pixels: Pillow's and torchvision's antialiased bilinear.
  return image.resize({ ...covered, fit: 'outside', kernel: 'linear', withoutEnlargement: true })
}

/** (H, W, 3), without alpha and grey repeated, as Pillow's convert('RGB') does. */
async function pixelsOf(image: Sharp): Promise<{ data: Buffer; info: OutputInfo }> {
  const pixels = await image
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  if (pixels.info.channels !== channels) throw new Error(`decoded to ${pixels.info.channels} channels`)
  return pixels
}

function larger({ height, width }: Size): Size {
  return { height: Math.round(height * margin), width: Math.round(width * margin) }
}

/** The part that the output shows; of an image that was too small to cover what it should, as much less. */
function middle(scaled: Size, { output, covered }: { output: Size; covered: Size }): Box {
  const missing = Math.max(1, covered.height / scaled.height, covered.width / scaled.width)
  const height = Math.max(1, Math.min(scaled.height, Math.round(output.height / missing)))
  const width = Math.max(1, Math.min(scaled.width, Math.round(output.width / missing)))
  return {
    top: Math.floor((scaled.height - height) / 2),
    left: Math.floor((scaled.width - width) / 2),
    height,
    width,
  }
}

/** A box of (H, W, 3) as (3, height, width). */
function planesOf(pixels: Uint8Array, pixelsPerRow: number, { top, left, height, width }: Box): Uint8Array {
  const plane = height * width
  const planes = new Uint8Array(3 * plane)
  for (let y = 0, to = 0; y < height; y += 1) {
    let from = 3 * ((top + y) * pixelsPerRow + left)
    for (const end = to + width; to < end; to += 1, from += 3) {
      planes[to] = pixels[from] as number
      planes[to + plane] = pixels[from + 1] as number
      planes[to + 2 * plane] = pixels[from + 2] as number
    }
  }
  return planes
}
