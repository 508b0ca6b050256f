// The server's settings, parsed once from the environment.
import { delimiter, join, resolve } from 'node:path'
import { z } from 'zod'
import { TrainqlError } from '../shared/errors.ts'
import { defaultOpenSeconds } from './database/pglite.ts'

export interface ServerConfig {
  /** Data directory: database, runs, lock. Absolute. */
  home: string
  /** Where decoded images are kept for later runs. Absolute. */
  cacheFolder: string
  /** Folders searched for datasets, in order. Absolute. */
  dataRoots: string[]
  /** Folders in which clients may name checkpoint files. Absolute. */
  checkpointRoots: string[]
  /** Folders searched for published weights, in order. Absolute. */
  pretrainedRoots: string[]
  /** Where published weights are fetched from that are in none of them; null: they are not fetched. */
  pretrainedUrl: string | null
  /** Largest file that a client may upload. */
  uploadLimitBytes: number
  host: string
  /** 0: any free one. */
  port: number
  /** Number of CPU partitions; null: one a core. */
  cpuDevices: number | null
  /** A PostgreSQL server in place of the embedded database. */
  databaseUrl: string | null
  /** How long the embedded database may take to open. */
  databaseOpenSeconds: number
  /** From SIGTERM to SIGKILL when a trainer is to leave. */
  cancelGraceMs: number
  /** A trainer without a new heartbeat for so long counts as unreachable. */
  silentSeconds: number
  /** A trainer that lives and tells nothing of its start for so long is given up. */
  startSeconds: number
  /** A replica that is at work and has not moved for so long is told of. */
  stalledSeconds: number
  /** Write what is of interest to whoever looks into one thing to the server's log too. */
  debugLog: boolean
  trainersOnExit: TrainersOnExit
}

/**
 * What becomes of trainers when the server ends: they run on (LEAVE), are paused until the next start (DRAIN), or their runs
 * and those that are queued are canceled (CANCEL).
 */
export type TrainersOnExit = 'LEAVE' | 'DRAIN' | 'CANCEL'

const flag = z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true')
const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value >= from && value <= to, `expected a number from ${from} to ${to}`)

const byteUnits: Record<string, number> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }
const byteCount = z
  .string()
  .regex(/^[1-9]\d{0,14}[KMG]?$/, 'expected a number of bytes, such as 500M or 2G')
  .transform((text) => parseInt(text, 10) * (byteUnits[text.replace(/^\d+/, '')] ?? 1))
  .refine(Number.isSafeInteger, 'expected a number of bytes that is not as large')
/** Folders parted as in PATH. */
const folders = (text: string): string[] =>
  text.split(delimiter).flatMap((path) => (path === '' ? [] : [resolve(path)]))

const environmentSchema = z.object({
  TRAINQL_HOME: z.string().default('.trainql'),
  TRAINQL_CACHE: z.string().optional(),
  TRAINQL_DATA: z.string().default(''),
  TRAINQL_CHECKPOINT_ROOTS: z.string().default(''),
  TRAINQL_PRETRAINED: z.string().default(''),
  TRAINQL_PRETRAINED_URL: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
  TRAINQL_UPLOAD_LIMIT: byteCount.default(2 * 1024 ** 3),
  TRAINQL_HOST: z.string().default('127.0.0.1'),
  TRAINQL_PORT: wholeNumber(0, 65_535).optional(),
  PORT: wholeNumber(0, 65_535).optional(),
  TRAINQL_CPU_DEVICES: wholeNumber(1, 1024).optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected a postgresql:// URL')
    .optional(),
  TRAINQL_DATABASE_OPEN_SECONDS: wholeNumber(1, 86_400).default(defaultOpenSeconds),
  TRAINQL_CANCEL_GRACE_SECONDS: wholeNumber(0, 86_400).default(30),
  TRAINQL_SILENT_SECONDS: wholeNumber(2, 86_400).default(15),
  TRAINQL_START_SECONDS: wholeNumber(10, 86_400).default(600),
  TRAINQL_STALLED_SECONDS: wholeNumber(2, 86_400).default(60),
  // The engine reads it itself, in each trainer: a wrong one would have runs train without it, two orders slower.
  TRAINQL_ISA: z.enum(['avx512', 'avx2', 'portable'], 'expected avx512, avx2 or portable').optional(),
  TRAINQL_DEBUG: flag.default(false),
  TRAINQL_DRAIN_ON_EXIT: flag.default(false),
  TRAINQL_STOP_TRAINERS_ON_EXIT: flag.default(false),
})
const consistentSchema = environmentSchema.refine(
  (values) => !(values.TRAINQL_DRAIN_ON_EXIT && values.TRAINQL_STOP_TRAINERS_ON_EXIT),
  { path: ['TRAINQL_DRAIN_ON_EXIT'], error: 'expected to be unset where TRAINQL_STOP_TRAINERS_ON_EXIT is set' },
)

const defaultPort = 4000

/**
 * Reads the settings from the environment; a variable that is set and empty counts as not set.
 * @throws TrainqlError `CONFIG_INVALID` naming the variable
 */
export function readConfig(environment: NodeJS.ProcessEnv): ServerConfig {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = consistentSchema.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const variable = issue?.path.join('.') ?? ''
    throw new TrainqlError({
      code: 'CONFIG_INVALID',
      field: variable,
      message: `${variable}: ${issue?.message ?? 'invalid'}; got ${shown(variable, environment[variable])}.`,
      fix: `Correct or unset ${variable}.`,
    })
  }
  const values = parsed.data
  return {
    home: resolve(values.TRAINQL_HOME),
    cacheFolder: resolve(values.TRAINQL_CACHE ?? join(values.TRAINQL_HOME, 'cache')),
    dataRoots: folders(values.TRAINQL_DATA),
    checkpointRoots: folders(values.TRAINQL_CHECKPOINT_ROOTS),
    pretrainedRoots: folders(values.TRAINQL_PRETRAINED),
    pretrainedUrl: values.TRAINQL_PRETRAINED_URL ?? null,
    uploadLimitBytes: values.TRAINQL_UPLOAD_LIMIT,
    host: values.TRAINQL_HOST,
    port: values.TRAINQL_PORT ?? values.PORT ?? defaultPort,
    cpuDevices: values.TRAINQL_CPU_DEVICES ?? null,
    databaseUrl: values.DATABASE_URL ?? null,
    databaseOpenSeconds: values.TRAINQL_DATABASE_OPEN_SECONDS,
    cancelGraceMs: values.TRAINQL_CANCEL_GRACE_SECONDS * 1000,
    silentSeconds: values.TRAINQL_SILENT_SECONDS,
    startSeconds: values.TRAINQL_START_SECONDS,
    stalledSeconds: values.TRAINQL_STALLED_SECONDS,
    debugLog: values.TRAINQL_DEBUG,
    trainersOnExit: values.TRAINQL_DRAIN_ON_EXIT ? 'DRAIN' : values.TRAINQL_STOP_TRAINERS_ON_EXIT ? 'CANCEL' : 'LEAVE',
  }
}

/** A database URL holds a password. */
function shown(variable: string, value: string | undefined): string {
  return variable === 'DATABASE_URL' ? 'something else' : JSON.stringify(value)
}
