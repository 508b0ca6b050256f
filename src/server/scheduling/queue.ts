// The queue of runs: gives free devices to those that wait and starts their attempts.
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import type { AssignedDevice, Attempt } from '../../shared/run-spec.ts'
import { initialFolder } from '../../shared/run-directory.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { Log } from '../log.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { Attempts } from './attempts.ts'
import { planLeases } from './plan-leases.ts'
import { writeAttempt } from './run-files.ts'
import type { OwnLog } from './run-log.ts'
import type { RunLogs } from './run-logs.ts'

export interface Queue {
  /** Gives free devices to queued runs; returns when nothing more can start now. */
  schedule(): Promise<void>
  /** Why a queued run still waits, in words. */
  waitingFor(runId: string): string | null
  /** Starts nothing more; returns when nothing is being started. */
  close(): Promise<void>
}

export interface QueueDeps {
  store: RunStore
  devices: DeviceService
  checkpoints: CheckpointService
  runLogs: RunLogs
  attempts: Attempts
  datasetRoots: readonly string[]
  /** Where trainers keep decoded images. */
  cacheFolder: string
  log: Log
}

export function createQueue(deps: QueueDeps): Queue {
  const { store, devices, runLogs, attempts, datasetRoots, cacheFolder, log } = deps
  let waiting = new Map<string, string>()
  let closing = false
  let scheduling: Promise<void> = Promise.resolve()

  async function pass(): Promise<void> {
    if (closing) return
    const queue = await store.listInStates(['QUEUED'])
    const requests = queue.map(({ id, spec, resumeDevices }) => ({ runId: id, request: resumeDevices ?? spec.devices }))
    const { grants, waiting: reasons } = planLeases(requests, await devices.list())
    waiting = reasons
    for (const { runId, devices: leased } of grants) {
      await runLogs
        .exclusively(runId, (own) => start(own, leased))
        .catch((error: unknown) => log.error(`Starting run ${runId} failed; it stays queued.`, error))
    }
  }

  async function start(own: OwnLog, leased: readonly DeviceRecord[]): Promise<void> {
    const { runId, directory, run } = own
    // It may have been canceled or paused since the plan was made.
    if (run.state !== 'QUEUED') return
    const attempt = run.attempt + 1
    await writeAttempt(directory, {
      formatVersion: 1,
      runId,
      attempt,
      devices: leased.map(assignedDevice),
      datasetRoots: [...datasetRoots],
      cacheFolder,
      resumeFrom: await findResumePoint(run.resumeFrom, runId),
      initialFrom: run.initialFrom === null ? null : initialFolder(directory),
    })
    await own.append({ type: 'leased', toAttempt: attempt, devices: leased.map(({ name }) => name) })
    await attempts.launch(runId)
  }

  async function findResumePoint(name: string | null, runId: string): Promise<Attempt['resumeFrom']> {
    if (name === null) return null
    const { sha256 } = await deps.checkpoints.get(checkpointReferenceText({ kind: 'RUN', runId, name }))
    return { name, sha256 }
  }

  return {
    // One pass at a time: two would see the same devices free.
    schedule() {
      scheduling = scheduling.then(pass).catch((error: unknown) => log.error('Scheduling failed.', error))
      return scheduling
    },
    waitingFor: (runId) => waiting.get(runId) ?? null,
    close() {
      closing = true
      return scheduling
    },
  }
}

function assignedDevice({ name, kind, cores, uuid }: DeviceRecord): AssignedDevice {
  return kind === 'CPU' ? { kind, name, cores } : { kind, name, uuid: uuid ?? '' }
}
