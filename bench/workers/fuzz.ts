// Puts mutants of checkpoint files through the readers, one after another, and watches time and memory of each.
//
// Answers {from, count} with what became of those mutants. Needs --expose-gc, so that one mutant's garbage is not another's.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { FuzzAnswer } from '../fuzz/answer.ts'
import { exercise } from '../fuzz/exercise.ts'
import { mutant } from '../fuzz/mutate.ts'
import { soundFiles } from '../fuzz/sound.ts'
import { forgetPeak, peakMemoryBytes } from '../machine.ts'

const requestSchema = z.object({ from: z.number().int().min(0), count: z.number().int().positive() })

const allowedMs = 1000
const leastAllowedBytes = 64 * 1024 * 1024

async function main(): Promise<void> {
  const collect = global.gc
  if (collect === undefined) throw new Error('expected --expose-gc')
  const folder = mkdtempSync(join(tmpdir(), 'trainql-fuzz-'))
  try {
    const sound = await soundFiles()
    const path = join(folder, 'mutant')
    process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
    for await (const line of createInterface({ input: process.stdin })) {
      const { from, count } = requestSchema.parse(JSON.parse(line))
      const answer: FuzzAnswer = {
        ...{ read: 0, refused: 0, faults: [] },
        ...{ slowestMs: 0, slowest: '', peakBytes: 0, largest: '' },
      }
      for (let number = from; number < from + count; number += 1) {
        const { what, bytes } = mutant(sound, number)
        writeFileSync(path, bytes)
        collect()
        const before = forgetPeak()
        const startedAt = performance.now()
        const outcome = await exercise(path)
        const ms = performance.now() - startedAt
        const peak = peakMemoryBytes(process.pid) - before

        if (outcome.kind !== 'fault') answer[outcome.kind] += 1
        else answer.faults.push(`${what}: ${outcome.message}`)
        if (ms > allowedMs) answer.faults.push(`${what}: took ${ms.toFixed(0)} ms`)
        if (peak > Math.max(4 * bytes.length, leastAllowedBytes))
          answer.faults.push(`${what}: took ${peak} bytes of memory, of ${bytes.length}`)
        if (ms > answer.slowestMs) Object.assign(answer, { slowestMs: ms, slowest: what })
        if (peak > answer.peakBytes) Object.assign(answer, { peakBytes: peak, largest: what })
      }
      process.stdout.write(`${JSON.stringify(answer)}\n`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
