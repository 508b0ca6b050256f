// Which precisions a row needs: of us, of the machine, and of PyTorch.
import { precisions, type Precision } from '../../src/shared/recipe.ts'

/** Null where the processor computes in bf16; else why not: a figure of emulated bf16 would be one of something else. */
export function whyNoBf16(isa: readonly string[]): string | null {
  if (isa.includes('avx512_bf16')) return null
  return `bf16 needs a processor with avx512_bf16; this one has ${isa.length === 0 ? 'no vector extension we know' : isa.join(', ')}`
}

/** An fp32 row is compared with fp32; a bf16 row with the better of both. */
export function peerPrecisions(ours: Precision): readonly Precision[] {
  return ours === 'FP32' ? ['FP32'] : precisions
}
