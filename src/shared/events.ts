// The events of a run: one JSON object a line in `events.<attempt>.jsonl` (written by the trainer) and
// `events.server.jsonl` (written by the server). Identity is (run, attempt, seq), seq without gaps from 1;
// the server's own file uses attempt 0.
import { z } from 'zod'
import { loadReportSchema } from './load-report.ts'
import { precisions } from './recipe.ts'
import { runPlanSchema } from './run-plan.ts'
import { parseWith } from './parse-with.ts'
import { deviceRequestSchema } from './run-spec.ts'

const count = z.number().int().min(0)
/** A metric that may have overflowed: null on the wire, and then `nonFinite` says so. */
const metric = z.number().nullable()
const identity = { run: z.string(), attempt: count, seq: z.number().int().positive(), at: z.iso.datetime() }

const failureFields = {
  code: z.string(),
  message: z.string(),
  fix: z.string(),
}

export const trainerEventSchema = z.discriminatedUnion('type', [
  /** Before `started`, every few seconds and once at the end, where images are decoded for the first time. */
  z.object({
    ...identity,
    type: z.literal('decoding'),
    /** Images done, of all there are, and how many of those done cannot be decoded. */
    images: count,
    ofImages: count,
    corruptImages: count,
  }),
  z.object({
    ...identity,
    type: z.literal('started'),
    engine: z.string(),
    /** Instruction set or library behind the engine, such as `avx512, kernel table 61bd6006` or `tfjs 4.22.0 wasm`. */
    engineDetail: z.string(),
    devices: z.array(z.string()),
    shards: count,
    globalBatch: count,
    epochs: count,
    stepsPerEpoch: count,
    parameters: count,
    trainImages: count,
    validationImages: count,
    /** Left out because they cannot be decoded. */
    skippedImages: count.default(0),
    precision: z.enum(precisions).default('FP32'),
    accumulationSteps: count.default(1),
    syncBatchNorm: z.boolean().default(false),
    /** What the engine's session holds: weights, gradients, optimiser state, activations. */
    memoryBytes: count.nullable().default(null),
    /** In the order of the labels. Lines of earlier versions have none. */
    classNames: z.array(z.string()).default([]),
    /** Of the images. Lines of earlier versions have none. */
    channels: count.nullable().default(null),
    pid: count,
  }),
  /** Behind `started`, where the first weights are those of a checkpoint. */
  z.object({
    ...identity,
    type: z.literal('initialised'),
    /** As the spec names it. */
    checkpoint: z.string(),
    report: loadReportSchema,
  }),
  z.object({
    ...identity,
    type: z.literal('step'),
    epoch: count,
    /** Global step, from 1. */
    step: count,
    loss: metric,
    nonFinite: z.boolean(),
    learningRate: z.number(),
    imagesPerSecond: z.number(),
  }),
  z.object({
    ...identity,
    type: z.literal('epoch'),
    /** From 1. */
    epoch: count,
    step: count,
    trainLoss: metric,
    validationLoss: metric,
    /** Top-1 on the validation images, 0 … 1. */
    accuracy: metric,
    // Lines of earlier versions have none of the following four.
    /** Share of the images whose class is among the five likeliest; 1 by definition with five classes or fewer. */
    top5Accuracy: metric.default(null),
    /** Validation images of each class, in the order of the labels. */
    classImages: z.array(count).default([]),
    /** Those of them that were predicted right. */
    classCorrect: z.array(count).default([]),
    /** Wrong predictions as triples (true class, predicted class, images), the most frequent first. */
    confusion: z
      .array(count)
      .refine(({ length }) => length % 3 === 0, 'Expected triples')
      .default([]),
    nonFinite: z.boolean(),
    imagesPerSecond: z.number(),
    learningRate: z.number(),
    userSeconds: z.number(),
    systemSeconds: z.number(),
    wallSeconds: z.number(),
  }),
  z.object({
    ...identity,
    type: z.literal('checkpoint'),
    /** Folder name inside the run's `checkpoints/`, such as `1-00000235` (attempt, step). */
    name: z.string(),
    epoch: count,
    step: count,
    bytes: count,
    /** Of the weights file, `model.safetensors`. */
    sha256: z.string(),
  }),
  /** A checkpoint that could not be written; the one before is whole, and with onDiskFull CONTINUE training goes on. */
  z.object({
    ...identity,
    type: z.literal('checkpointFailed'),
    name: z.string(),
    epoch: count,
    step: count,
    ...failureFields,
  }),
  /** Checkpoints that the run's policy does not keep, and that are no more. */
  z.object({ ...identity, type: z.literal('checkpointsRemoved'), names: z.array(z.string()) }),
  /** Before `started`: the checkpoint to go on from cannot be used, and an earlier one is. */
  z.object({
    ...identity,
    type: z.literal('checkpointDamaged'),
    name: z.string(),
    message: z.string(),
    /** The one the attempt goes on from. */
    resumedFrom: z.string(),
  }),
  z.object({ ...identity, type: z.literal('finished'), epochs: count, step: count, wallSeconds: z.number() }),
  z.object({
    ...identity,
    type: z.literal('failed'),
    ...failureFields,
    step: count.nullable(),
    nonFinite: z.boolean(),
    lastCheckpoint: z.string().nullable(),
  }),
  z.object({ ...identity, type: z.literal('stopped'), step: count, lastCheckpoint: z.string().nullable() }),
])
export type TrainerEvent = z.output<typeof trainerEventSchema>
export type EpochEvent = Extract<TrainerEvent, { type: 'epoch' }>

/**
 * A server event also says which trainer event it came behind (attempt and seq, 0 for none): files alone then give the
 * one order of a run's events, today and when a database is rebuilt.
 */
const serverIdentity = { ...identity, behind: z.object({ attempt: count, seq: count }) }

/** Who has a run paused: a user, a server that is drained to be stopped, or the scheduler for a run that was before it. */
export const pauseReasons = ['USER', 'DRAIN', 'YIELD'] as const
export type PauseReason = (typeof pauseReasons)[number]
const pauseReason = z.enum(pauseReasons)

export const serverEventSchema = z.discriminatedUnion('type', [
  z.object({
    ...serverIdentity,
    type: z.literal('queued'),
    /** What was expected of it then. Null where nobody could tell, and in lines of earlier versions. */
    plan: runPlanSchema.nullable().default(null),
  }),
  z.object({
    ...serverIdentity,
    type: z.literal('leased'),
    toAttempt: count,
    devices: z.array(z.string()),
    /** They are kept for a run before it, which may have them back from then on. Null: they are not. */
    backfilledUntil: z.iso.datetime().nullable().default(null),
  }),
  z.object({ ...serverIdentity, type: z.literal('cancelRequested') }),
  z.object({
    ...serverIdentity,
    type: z.literal('released'),
    toAttempt: count,
    devices: z.array(z.string()),
    /** Of the engine or a device, by which the trainer died: a signal or an error code. */
    fault: z.string().nullable().default(null),
  }),
  z.object({ ...serverIdentity, type: z.literal('succeeded') }),
  z.object({
    ...serverIdentity,
    type: z.literal('runFailed'),
    ...failureFields,
    step: count.nullable(),
    nonFinite: z.boolean(),
  }),
  z.object({ ...serverIdentity, type: z.literal('canceled') }),
  /** Of a run that holds devices; its trainer takes a checkpoint and leaves. */
  z.object({ ...serverIdentity, type: z.literal('pauseRequested'), reason: pauseReason }),
  /** It holds no devices and waits for whoever had it paused. A queued run is paused without a request. */
  z.object({
    ...serverIdentity,
    type: z.literal('paused'),
    reason: pauseReason,
    /** The run's own checkpoint that it goes on from when it is resumed; null: it has none and starts over. */
    checkpoint: z.string().nullable(),
  }),
  /** It gave its devices to a run that was before it, and is queued again in its own place. */
  z.object({ ...serverIdentity, type: z.literal('yielded'), checkpoint: z.string().nullable() }),
  /** An attempt ended by what may pass: the run is queued again, not to start before a time. */
  z.object({
    ...serverIdentity,
    type: z.literal('retryScheduled'),
    ...failureFields,
    step: count.nullable(),
    /** The run's own checkpoint that the next attempt goes on from; null: it has none and starts over. */
    checkpoint: z.string().nullable(),
    notBefore: z.iso.datetime(),
  }),
  /** Nothing has been heard of its trainer for so long. */
  z.object({ ...serverIdentity, type: z.literal('unreachable'), toAttempt: count, silentSeconds: z.number() }),
  /** It is heard of again. */
  z.object({ ...serverIdentity, type: z.literal('reachable'), toAttempt: count }),
  /** The trainer lives, and one of its replicas has not moved for so long. */
  z.object({
    ...serverIdentity,
    type: z.literal('replicaStalled'),
    toAttempt: count,
    replica: count,
    device: z.string(),
    /** Global steps that the replica has done. */
    step: count,
    stalledSeconds: z.number(),
  }),
  z.object({ ...serverIdentity, type: z.literal('replicaMoved'), toAttempt: count, replica: count }),
  z.object({ ...serverIdentity, type: z.literal('priorityChanged'), priority: z.number().int() }),
  /** What a trainer left of a last line that it did not finish; the event was never whole and is none. */
  z.object({ ...serverIdentity, type: z.literal('logTorn'), toAttempt: count, bytes: count }),
  /** A run that was paused, failed or was canceled, or that is given up as unreachable, is queued again. */
  z.object({
    ...serverIdentity,
    type: z.literal('resumeRequested'),
    /** The run's own checkpoint that the next attempt goes on from; null: it has none and starts over. */
    checkpoint: z.string().nullable(),
    /** Null: the devices that the spec asks for. */
    devices: deviceRequestSchema.nullable(),
  }),
  z.object({ ...serverIdentity, type: z.literal('checkpointPinned'), name: z.string(), pinned: z.boolean() }),
  /** Its folder is gone, or is about to go. */
  z.object({ ...serverIdentity, type: z.literal('checkpointDeleted'), name: z.string() }),
])
export type ServerEvent = z.output<typeof serverEventSchema>

export type RunEvent = TrainerEvent | ServerEvent
export type RunEventType = RunEvent['type']

/** Attempts count from 1; 0 is the server. */
export function isTrainerEvent(event: RunEvent): event is TrainerEvent {
  return event.attempt > 0
}

/** An event as its author states it, before identity and time are added. */
export type Unidentified<E extends RunEvent> = E extends RunEvent
  ? Omit<E, 'run' | 'attempt' | 'seq' | 'at' | 'behind'>
  : never

/** @throws TrainqlError `INVALID_INPUT` */
export function parseTrainerEvent(input: unknown): TrainerEvent {
  return parseWith(trainerEventSchema, input, 'trainer event')
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseServerEvent(input: unknown): ServerEvent {
  return parseWith(serverEventSchema, input, 'server event')
}
