// What passes between the bench and the process of a storm.
import { z } from 'zod'
import type { CreateRunInput } from '../../src/sdk/index.ts'
import { type FaultKind, faultKinds } from './plan.ts'

const kindSchema = z.enum(faultKinds as [FaultKind, ...FaultKind[]])

export const settingsSchema = z.object({
  home: z.string(),
  /** Where what there is to look at is kept if something is broken. */
  evidence: z.string(),
  seed: z.number(),
  faults: z.number(),
  pace: z.number(),
  kinds: z.array(kindSchema),
  recipes: z.array(z.custom<CreateRunInput>()),
  runs: z.object({ atOnce: z.number(), atMost: z.number() }),
  stormMs: z.number(),
  settleMs: z.number(),
  /** Of everything. */
  withinMs: z.number(),
})
export type StormSettings = z.output<typeof settingsSchema>

const words = z.array(z.string())

export const answerSchema = z.object({
  kinds: z.array(
    z.object({
      kind: kindSchema,
      injected: z.number(),
      runs: z.number(),
      lostEvents: z.number(),
      doubledEvents: z.number(),
      notBitEqual: z.number(),
    }),
  ),
  /** Kinds that this machine cannot have, and why. */
  skipped: z.partialRecord(kindSchema, z.string()),
  faults: z.number(),
  serverKills: z.number(),
  killsInStart: z.number(),
  killsDuringRuns: z.number(),
  killsEqualToLog: z.number(),
  runs: z.number(),
  attempts: z.number(),
  logParts: z.number(),
  pauses: z.number(),
  events: z.number(),
  told: z.record(z.string(), z.number()),
  seconds: z.number(),
  complaints: z.record(z.string(), z.number()),
  broken: z.object({
    lostEvents: words,
    doubledEvents: words,
    leakedDevices: words,
    leakedProcesses: words,
    unfinishedRuns: words,
    damagedCheckpoints: words,
    notBitEqual: words,
    serverFailures: words,
  }),
})
export type StormAnswer = z.output<typeof answerSchema>
