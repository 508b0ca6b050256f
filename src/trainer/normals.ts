// Many normal numbers at once: by the addon where it is there, which draws the same ones several times as fast.
import { findAddonProblem, loadAddon } from './addon.ts'
import { createRandom, streams, type RandomKey } from './random.ts'

interface NormalsAddon {
  drawNormals(seed: number, stream: number, substream: number, deviation: number, numbers: Float32Array): void
}

/** Fills `numbers` with normal ones of mean 0 from the beginning of the key's sequence. */
export function drawNormals(key: Omit<RandomKey, 'part'>, deviation: number, numbers: Float32Array): void {
  if (findAddonProblem() === null) {
    const { seed, stream, substream } = key
    return (loadAddon() as NormalsAddon).drawNormals(seed, streams[stream], substream, deviation, numbers)
  }
  drawNormalsInScript(key, deviation, numbers)
}

/** The same without the addon. */
export function drawNormalsInScript(key: RandomKey, deviation: number, numbers: Float32Array): void {
  const random = createRandom(key)
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = deviation * random.normal()
}
