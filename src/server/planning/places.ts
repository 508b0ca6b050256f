// What computes in a set of devices: pure. CPU devices are partitions, which may share cores.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { Place } from './measured-run.ts'

/** Null where one of them is not known, or they are of several kinds. */
export function findPlace(names: readonly string[], devices: readonly DeviceRecord[]): Place | null {
  const found = names.flatMap((name) => devices.find((device) => device.name === name) ?? [])
  const [first] = found
  if (first === undefined || found.length < names.length) return null
  const { kind } = first
  if (found.some((device) => device.kind !== kind)) return null
  const units = kind === 'CPU' ? new Set(found.flatMap(({ cores }) => cores)).size : found.length
  return { kind, devices: found.length, units }
}

/** Devices such as a request may get: those that it names, else the first of their kind that take runs. */
export function likelyDevices(request: DeviceRequest, count: number, devices: readonly DeviceRecord[]): string[] {
  if (request.kind === 'NAMED') return request.names
  const ofKind = devices.filter(({ kind, present }) => present && kind === request.deviceKind)
  const serving = ofKind.filter(({ availability }) => availability === 'ACTIVE')
  return (serving.length >= count ? serving : ofKind).slice(0, count).map(({ name }) => name)
}
