// The composition root: makes every part of the server, wires them together and starts them in order.
import 'reflect-metadata'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runsFolder } from '../shared/checkpoint-reference.ts'
import { listAbsentRoots } from '../shared/datasets.ts'
import { type App, startApp } from './app.ts'
import { CheckpointKeepingResolver } from './checkpoints/checkpoint-keeping.resolver.ts'
import { createCheckpointRoom } from './checkpoints/checkpoint-room.ts'
import { CheckpointTransferResolver } from './checkpoints/checkpoint-transfer.resolver.ts'
import { PredictionResolver } from './checkpoints/prediction.resolver.ts'
import { CheckpointResolver, RunCheckpointsResolver } from './checkpoints/checkpoint.resolver.ts'
import { createCheckpointService } from './checkpoints/checkpoint.service.ts'
import { createCheckpointStore } from './checkpoints/checkpoint.store.ts'
import type { ServerConfig } from './config.ts'
import { openDatabase } from './database/database.ts'
import { lockHome } from './database/home-lock.ts'
import { DatabaseUnavailable } from './database/outage.ts'
import { DatasetResolver } from './datasets/dataset.resolver.ts'
import { createDatasetService } from './datasets/dataset.service.ts'
import { DeviceResolver } from './devices/device.resolver.ts'
import { createDeviceService } from './devices/device.service.ts'
import { createDeviceStore } from './devices/device.store.ts'
import { createDeviceAvailabilityService } from './devices/device-availability.service.ts'
import { discoverDevices } from './devices/discovery.ts'
import { createQuarantineService } from './devices/quarantine.service.ts'
import { ServerResolver } from './engines/engine.resolver.ts'
import { createEngineService } from './engines/engine.service.ts'
import { createLimit } from './limit.ts'
import { createLog, type Log } from './log.ts'
import { ConfusionMatrixResolver, EpochClassesResolver } from './metrics/epoch-classes.resolver.ts'
import { EpochMetricsResolver } from './metrics/epoch-metrics.resolver.ts'
import { createEpochMetricsService } from './metrics/epoch-metrics.service.ts'
import { createEpochMetricsStore } from './metrics/epoch-metrics.store.ts'
import { MetricsExportResolver } from './metrics/metrics-export.resolver.ts'
import { createMetricsExportService } from './metrics/metrics-export.service.ts'
import { createMetricsExportStore } from './metrics/metrics-export.store.ts'
import { StepMetricsResolver } from './metrics/step-metrics.resolver.ts'
import { createStepMetricsService } from './metrics/step-metrics.service.ts'
import type { StepSeriesRequest } from './metrics/step-metrics.record.ts'
import { createStepMetricsStore } from './metrics/step-metrics.store.ts'
import { ModelSummaryResolver } from './models/model-summary.resolver.ts'
import { createModelSummaryService } from './models/model-summary.service.ts'
import { NodeResolver } from './node.resolver.ts'
import { createMeasuredRunStore } from './planning/measured-run.store.ts'
import { createPastRuns } from './planning/past-runs.ts'
import { createPlanner } from './planning/planner.ts'
import { PlanningResolver, RunPlanResolver } from './planning/planning.resolver.ts'
import { createPlanningService } from './planning/planning.service.ts'
import { createRunEstimates } from './planning/run-estimates.ts'
import {
  DeletedCheckpointResolver,
  PinnedCheckpointResolver,
  ResumedCheckpointResolver,
  RetriedCheckpointResolver,
  WrittenCheckpointResolver,
  YieldedCheckpointResolver,
} from './runs/run-event-checkpoint.resolver.ts'
import { ConflictRunResolver, RunControlResolver } from './runs/run-control.resolver.ts'
import { createRunControlService } from './runs/run-control.service.ts'
import { RunCourseResolver } from './runs/run-course.resolver.ts'
import { createRunCourseStore } from './runs/run-course.store.ts'
import { RunEventResolver } from './runs/run-event.resolver.ts'
import { createRunEventService } from './runs/run-event.service.ts'
import { createRunEventStore } from './runs/run-event.store.ts'
import { createRunFeed } from './runs/run-feed.ts'
import { RunResolver } from './runs/run.resolver.ts'
import { createRunService } from './runs/run.service.ts'
import { createRunStore } from './runs/run.store.ts'
import { reconcileRuns, recoverRuns } from './scheduling/recovery.ts'
import { createScheduler } from './scheduling/scheduler.ts'
import { createLocalLauncher } from './scheduling/trainer-process.ts'
import { createSchema } from './schema.ts'
import { exportKeepMs } from './transfers/signed-url.ts'

export interface ServerOptions extends ServerConfig {
  log?: Log
  /** Entry of the trainer process; another one only to test how its deeds are followed. */
  trainerEntry?: URL
  /** Entry that prints the machine's engines. */
  probeEntry?: URL
}

export interface RunningServer {
  /** `http://host:port`; the API is at `/graphql` below it. */
  url: string
  host: string
  port: number
  /**
   * Stops in order: no more runs taken; where the options say so, trainers paused or canceled and waited for, with clients
   * looking on; clients told to come back; trainers left running; database closed, lock released. Safe to call twice.
   */
  close(): Promise<void>
}

const trainerEntry = new URL('../trainer/main.ts', import.meta.url)
const probeEntry = new URL('../trainer/probe.ts', import.meta.url)

/**
 * Starts a server in this process; every run that the data directory knows is taken up again before it answers.
 * @throws TrainqlError `DATABASE_LOCKED`, `DATABASE_UNAVAILABLE`, `CONFIG_INVALID`, `NETWORK` or `CONFLICT`, each with what
 * to do; nothing of a server that did not start is left behind.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { home, host, log = createLog({ debug: options.debugLog }) } = options
  const startedAt = new Date()
  /** What to undo, newest last. */
  const undo: (() => Promise<void>)[] = []
  const close = once(async () => {
    for (const step of undo.reverse()) await step()
  })
  try {
    await mkdir(home, { recursive: true })
    const lock = await lockHome(home)
    undo.push(() => lock.release())
    for (const root of await listAbsentRoots(options.dataRoots)) {
      log.warn(`TRAINQL_DATA: there is no folder ${root}; it is looked for again each time datasets are asked for.`)
    }
    const database = await openDatabase({
      ...{ folder: join(home, 'db'), url: options.databaseUrl, log },
      openSeconds: options.databaseOpenSeconds,
    })
    undo.push(() => database.close())
    const foundation = { log, database, startedAt }
    const { schema, sources, scheduler, room, transfers, recover, reconcile } = await assemble(options, foundation)
    let app: App | undefined
    // Until then who comes late is told so.
    undo.push(async () => app?.close())
    undo.push(() => room.close())
    undo.push(() => scheduler.close())
    await recover()
    database.onBack(reconcile)
    const { port } = (app = await startApp({ schema, sources, transfers, host, port: options.port, log }))
    const { sayGoodbye, beginStop } = app
    undo.push(sayGoodbye)
    undo.push(async () => {
      beginStop()
      scheduler.refuse()
      // Requests under way wait for its processes.
      await room.close()
      if (options.trainersOnExit !== 'LEAVE') await scheduler.dismiss(options.trainersOnExit)
    })
    return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, host, port, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Foundation {
  log: Log
  database: Awaited<ReturnType<typeof openDatabase>>
  startedAt: Date
}

async function assemble(options: ServerOptions, { log, database, startedAt }: Foundation) {
  const { home } = options
  const runsDirectory = runsFolder(home)
  const now = (): Date => new Date()

  const deviceStore = createDeviceStore(database)
  await deviceStore.replace(await discoverDevices({ cpuDevices: options.cpuDevices, log }))
  const devices = createDeviceService(deviceStore)
  const datasets = createDatasetService(options.dataRoots)
  const engines = createEngineService({ probe: options.probeEntry ?? probeEntry, log })
  const store = createRunStore(database)
  const events = createRunEventStore(database)
  const measured = createMeasuredRunStore(database)
  const pastRuns = createPastRuns({ store: measured, log })
  const estimates = createRunEstimates({ pastRuns, now })
  const feed = createRunFeed((runId, { events: news }) => pastRuns.observe(runId, news))
  const checkpointStore = createCheckpointStore(database)
  const checkpoints = createCheckpointService(checkpointStore)
  const guard = createLimit(1)
  const metrics = createEpochMetricsService(createEpochMetricsStore(database))
  const stepMetrics = createStepMetricsService(createStepMetricsStore(database))
  const launcher = createLocalLauncher(options.trainerEntry ?? trainerEntry)
  const { dataRoots: datasetRoots, cacheFolder } = options
  const { cancelGraceMs, silentSeconds, startSeconds, stalledSeconds } = options
  const limits = { silentSeconds, startSeconds, stalledSeconds }
  const quarantine = createQuarantineService({ store: deviceStore, log, now })
  const carrying = { store, events, checkpoints, quarantine, launcher, runsDirectory, log, now }
  const scheduling = { ...carrying, home, feed, devices, estimates, datasetRoots, cacheFolder, cancelGraceMs, limits }
  const scheduler = createScheduler(scheduling)
  const availability = createDeviceAvailabilityService({
    store: deviceStore,
    onChange: () => scheduler.queue.schedule(),
    now,
  })
  const room = await createCheckpointRoom({
    config: options,
    checkpoints,
    store: checkpointStore,
    recorder: scheduler,
    listUsers: (checkpoint) => store.listLiveFrom(checkpoint),
    guard,
    log,
    now,
  })
  const planner = createPlanner({ devices, queue: scheduler.queue, estimates, log, now })
  const runs = createRunService({
    store,
    devices,
    datasets,
    engines,
    checkpoints,
    imports: room.imports,
    guard,
    carrier: scheduler,
    planner,
    now,
  })
  const runControl = createRunControlService({ store, devices, engines, checkpoints, control: scheduler })
  const planning = createPlanningService({ runs, measured, devices, estimates, planner })
  const runEvents = createRunEventService({ runs: store, events, feed })
  const metricsExport = createMetricsExportService({
    store: createMetricsExportStore(database),
    findRun: (id) => runs.find(id),
    signer: room.signer,
    keepMs: exportKeepMs,
    now,
  })

  const facts = { version: await readVersion(), dataDirectory: home, startedAt }
  const schema = createSchema({
    node: new NodeResolver({ devices, datasets, runs, metrics, checkpoints, home, runsDirectory }),
    server: new ServerResolver(engines, facts),
    devices: new DeviceResolver(devices, availability, runsDirectory),
    datasets: new DatasetResolver(datasets),
    models: new ModelSummaryResolver(createModelSummaryService()),
    runs: new RunResolver(runs, runsDirectory),
    runControl: new RunControlResolver(runControl, runs, runsDirectory),
    conflictRun: new ConflictRunResolver(runsDirectory),
    planning: new PlanningResolver(planning),
    runPlan: new RunPlanResolver(),
    runCourse: new RunCourseResolver(runsDirectory),
    runEvents: new RunEventResolver(runEvents),
    epochMetrics: new EpochMetricsResolver(),
    stepMetrics: new StepMetricsResolver(),
    metricsExport: new MetricsExportResolver(metricsExport),
    epochClasses: new EpochClassesResolver(),
    confusionMatrix: new ConfusionMatrixResolver(),
    checkpointTransfer: new CheckpointTransferResolver({ ...room, home }),
    predictions: new PredictionResolver(room.predictions),
    checkpointKeeping: new CheckpointKeepingResolver(room.keeping, home),
    checkpoints: new CheckpointResolver(checkpoints, { home, runsDirectory }),
    runCheckpoints: new RunCheckpointsResolver(checkpoints, home),
    writtenCheckpoint: new WrittenCheckpointResolver(home),
    pinnedCheckpoint: new PinnedCheckpointResolver(home),
    deletedCheckpoint: new DeletedCheckpointResolver(home),
    resumedCheckpoint: new ResumedCheckpointResolver(home),
    retriedCheckpoint: new RetriedCheckpointResolver(home),
    yieldedCheckpoint: new YieldedCheckpointResolver(home),
  })
  const sources = {
    runEvents,
    findRuns: (keys: readonly string[]) => runs.findMany(keys),
    ...createRunCourseStore(database),
    listEpochMetrics: (keys: readonly string[]) => metrics.list(keys),
    listStepSeries: (keys: readonly string[], request: StepSeriesRequest) => stepMetrics.listSeries(keys, request),
    findEpochClasses: (keys: readonly string[]) => metrics.findClasses(keys),
    gradeRuns: (keys: readonly string[]) => planning.gradeRuns(keys),
    findCheckpoints: (keys: readonly string[]) => checkpoints.findMany(keys),
    listDevices: () => devices.list(),
  }
  const recover = async (): Promise<void> => {
    await recoverRuns({ ...carrying, scheduler })
    await room.open()
  }
  const reconcile = (): void => {
    reconcileRuns({ ...carrying, scheduler }).catch((error: unknown) => {
      // Away once more: it will be back once more.
      if (!(error instanceof DatabaseUnavailable)) log.error('Taking runs up after the outage failed.', error)
    })
  }
  return { schema, sources, scheduler, room, transfers: { ...room, metrics: metricsExport }, recover, reconcile }
}

async function readVersion(): Promise<string> {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined
  return () => (result ??= action())
}
