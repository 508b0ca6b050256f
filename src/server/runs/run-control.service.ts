// Rules of what users ask of a run that is there. Whether its state allows it is decided where it is carried out, in the
// run's own turn.
import { invalidInput } from '../../shared/errors.ts'
import { type DeviceRequest, parseRunSpec, priorityRange } from '../../shared/run-spec.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { EngineService } from '../engines/engine.service.ts'
import { isAbsent } from './recipe-request.ts'
import { unknownRun } from './run-event.service.ts'
import { deviceRequestOf, type RunRequest } from './run-request.ts'
import type { RunRecord } from './run.record.ts'
import type { RunStore } from './run.store.ts'

export interface Asked {
  /** The run is to be at this version, else nothing happens; null: at any. */
  expectedVersion: number | null
}

/**
 * Carries out what is asked of a run; the scheduling room implements it. A run that is already as it would be is left so.
 * Each throws a `RunConflict` where the run's state does not offer the action, or its version is not the one expected.
 */
export interface RunControl {
  /** Holds a queued run back at once; has a running trainer write a checkpoint and leave, and returns. */
  pause(runId: string, asked: Asked): Promise<void>
  /** Queues the run for its next attempt; a silent trainer is given up first. */
  resume(runId: string, request: ResumeRequest): Promise<void>
  /** Ends a queued or paused run at once; asks a running trainer to leave and returns. */
  cancel(runId: string, asked: Asked): Promise<void>
  setPriority(runId: string, request: PriorityRequest): Promise<void>
}

export interface ResumeRequest extends Asked {
  /** Name of the run's own checkpoint to go on from; null: the latest on its course, or its initial weights. */
  checkpoint: string | null
  /** Null: those of its spec. */
  devices: DeviceRequest | null
}

export interface PriorityRequest extends Asked {
  priority: number
}

export interface ResumeWish extends Asked {
  /** Key of a checkpoint of this run; null: the latest on its course, or its initial weights where it has none. */
  checkpoint: string | null
  /** Null: those of its spec. */
  devices: RunRequest['devices']
}

/** Each answers the run as it then is. */
export interface RunControlService {
  /** @throws TrainqlError `NOT_FOUND`, `CONFLICT` */
  pause(id: string, asked: Asked): Promise<RunRecord>
  /** @throws TrainqlError `NOT_FOUND`, `INVALID_INPUT`, `DEVICE_UNAVAILABLE`, `ENGINE_UNAVAILABLE`, `CONFLICT` */
  resume(id: string, wish: ResumeWish): Promise<RunRecord>
  /** @throws TrainqlError `NOT_FOUND`, `CONFLICT` */
  cancel(id: string, asked: Asked): Promise<RunRecord>
  /** @throws TrainqlError `NOT_FOUND`, `INVALID_INPUT`, `CONFLICT` */
  setPriority(id: string, request: PriorityRequest): Promise<RunRecord>
}

export interface RunControlServiceDeps {
  store: RunStore
  devices: DeviceService
  engines: EngineService
  checkpoints: CheckpointService
  control: RunControl
}

export function createRunControlService(deps: RunControlServiceDeps): RunControlService {
  const { store, devices, engines, checkpoints, control } = deps

  async function ask(id: string, action: (run: RunRecord) => Promise<void>): Promise<RunRecord> {
    await action(await getRun(store, id))
    return getRun(store, id)
  }

  return {
    pause: (id, asked) => ask(id, () => control.pause(id, asked)),
    cancel: (id, asked) => ask(id, () => control.cancel(id, asked)),
    setPriority: (id, request) =>
      ask(id, () => {
        checkPriority(request.priority)
        return control.setPriority(id, request)
      }),
    resume: (id, { checkpoint, devices: wished, expectedVersion }) =>
      ask(id, async (run) => {
        const own = checkpoint === null ? null : checkOwn(run, await checkpoints.get(checkpoint))
        const asked = isAbsent(wished) ? null : deviceRequestOf(wished)
        const spec = asked === null ? run.spec : parseRunSpec({ ...run.spec, devices: asked })
        await engines.check(spec, await devices.check(spec.devices))
        const request = { checkpoint: own?.name ?? null, devices: asked === null ? null : spec.devices }
        await control.resume(id, { ...request, expectedVersion })
      }),
  }
}

/** @throws TrainqlError `NOT_FOUND` */
export async function getRun(store: RunStore, id: string): Promise<RunRecord> {
  const run = await store.find(id)
  if (run === null) throw unknownRun(id)
  return run
}

/** @throws TrainqlError `INVALID_INPUT` for a checkpoint of another run */
export function checkOwn({ id }: RunRecord, checkpoint: CheckpointRecord): CheckpointRecord {
  if (checkpoint.runId === id) return checkpoint
  throw invalidInput({
    field: 'checkpoint',
    message: `Expected a checkpoint of the run ${id}; got ${checkpoint.key}.`,
    fix: 'Name one of its own, or create a run that is initialised from this one.',
  })
}

function checkPriority(priority: number): void {
  const { lowest, highest } = priorityRange
  if (priority >= lowest && priority <= highest) return
  throw invalidInput({
    field: 'priority',
    message: `Expected a priority from ${lowest} to ${highest}; got ${priority}.`,
    fix: 'Use a priority in that range.',
  })
}
