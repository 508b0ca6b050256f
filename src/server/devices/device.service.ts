// Rules about devices: which there are, and which a request may name.
import { TrainqlError } from '../../shared/errors.ts'
import type { DeviceKind, DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from './device.record.ts'
import type { DeviceStore } from './device.store.ts'

export interface DeviceService {
  /** CPU partitions first, each kind by number. */
  list(): Promise<DeviceRecord[]>
  find(name: string): Promise<DeviceRecord | null>
  /**
   * Checks that a request can be served by this machine, now or later, and returns the kind it asks for.
   * @throws TrainqlError `NOT_FOUND` for a device that never was, `DEVICE_UNAVAILABLE` for one that is gone or where
   * there are fewer than asked for, `INVALID_INPUT` for kinds mixed.
   */
  check(request: DeviceRequest): Promise<DeviceKind>
}

export function createDeviceService(store: DeviceStore): DeviceService {
  return {
    list: () => store.list(),
    find: async (name) => (await store.list()).find((device) => device.name === name) ?? null,
    async check(request) {
      const devices = await store.list()
      return request.kind === 'NAMED' ? checkNames(request.names, devices) : checkCount(request, devices)
    },
  }
}

function checkNames(names: readonly string[], devices: readonly DeviceRecord[]): DeviceKind {
  const named = names.map((name) => {
    const device = devices.find((candidate) => candidate.name === name)
    if (device === undefined) {
      throw new TrainqlError({
        code: 'NOT_FOUND',
        field: 'devices.names',
        message: `There is no device "${name}"; there are ${listNames(devices)}.`,
        fix: 'Name devices that the query `devices` lists.',
      })
    }
    if (!device.present) {
      throw new TrainqlError({
        code: 'DEVICE_UNAVAILABLE',
        field: 'devices.names',
        message: `The device ${name} was here before and was not found when the server last started.`,
        fix: `Bring ${name} back and restart the server, or name another device.`,
      })
    }
    return device
  })
  const kinds = new Set(named.map(({ kind }) => kind))
  const [kind, other] = kinds
  if (kind === undefined || other !== undefined) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'devices.names',
      message: `Expected devices of one kind; got ${names.join(', ')}.`,
      fix: 'Name CPU devices only, or CUDA devices only.',
    })
  }
  return kind
}

function checkCount(
  { count, deviceKind }: Extract<DeviceRequest, { kind: 'COUNT' }>,
  devices: readonly DeviceRecord[],
): DeviceKind {
  const present = devices.filter((device) => device.present && device.kind === deviceKind)
  if (present.length >= count) return deviceKind
  throw new TrainqlError({
    code: 'DEVICE_UNAVAILABLE',
    field: 'devices.count',
    message: `Expected at most ${present.length} ${deviceKind} devices, all this machine has; got ${count}.`,
    fix:
      deviceKind === 'CPU'
        ? `Ask for fewer devices, or start the server with TRAINQL_CPU_DEVICES=${count}.`
        : 'Ask for fewer devices, or for CPU devices.',
  })
}

function listNames(devices: readonly DeviceRecord[]): string {
  return devices
    .filter(({ present }) => present)
    .map(({ name }) => name)
    .join(', ')
}
