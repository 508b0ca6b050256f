// The query `node(id)`: any node by its global id, through the room it belongs to.
import { Arg, ID, Query, Resolver } from 'type-graphql'
import { checkpointPayload } from './checkpoints/checkpoint.payload.ts'
import type { CheckpointService } from './checkpoints/checkpoint.service.ts'
import type { Checkpoint } from './checkpoints/checkpoint.type.ts'
import { datasetPayload } from './datasets/dataset.payload.ts'
import type { DatasetService } from './datasets/dataset.service.ts'
import type { Dataset } from './datasets/dataset.type.ts'
import { devicePayload } from './devices/device.payload.ts'
import type { DeviceService } from './devices/device.service.ts'
import type { Device } from './devices/device.type.ts'
import { epochMetricsPayload } from './metrics/epoch-metrics.payload.ts'
import type { EpochMetricsService } from './metrics/epoch-metrics.service.ts'
import type { EpochMetrics } from './metrics/epoch-metrics.type.ts'
import { findNodeKey, Node } from './node.type.ts'
import { runPayload } from './runs/run.payload.ts'
import type { RunService } from './runs/run.service.ts'
import type { Run } from './runs/run.type.ts'

export interface NodeSources {
  devices: DeviceService
  datasets: DatasetService
  runs: RunService
  metrics: EpochMetricsService
  checkpoints: CheckpointService
  home: string
  runsDirectory: string
}

type AnyNode = Device | Dataset | Run | EpochMetrics | Checkpoint

@Resolver()
export class NodeResolver {
  constructor(private readonly sources: NodeSources) {}

  @Query(() => Node, { nullable: true })
  async node(@Arg('id', () => ID) id: string): Promise<AnyNode | null> {
    const node = findNodeKey(id)
    if (node === null) return null
    const { devices, datasets, runs, metrics, checkpoints, home, runsDirectory } = this.sources
    switch (node.type) {
      case 'Device':
        return show(await devices.find(node.key), devicePayload)
      case 'Dataset':
        return show(await datasets.find(node.key), datasetPayload)
      case 'Run':
        return show(await runs.find(node.key), (run) => runPayload(run, runsDirectory))
      case 'EpochMetrics':
        return show(await metrics.find(node.key), epochMetricsPayload)
      case 'Checkpoint':
        return show(await checkpoints.find(node.key), (checkpoint) => checkpointPayload(checkpoint, home))
      default:
        return node.type satisfies never
    }
  }
}

function show<R, T>(record: R | null, payload: (record: R) => T): T | null {
  return record === null ? null : payload(record)
}
