// A filter of runs as the database is asked for it.
import type { Prisma } from '../prisma-client/client.ts'
import type { RunFilter } from './run-filter.ts'

export function whereOf(filter: RunFilter): Prisma.RunWhereInput {
  const { states, name, architecture, dataset, device, createdFrom, createdBefore, forkedFrom } = filter
  const created = {
    ...(createdFrom === null ? {} : { gte: createdFrom }),
    ...(createdBefore === null ? {} : { lt: createdBefore }),
  }
  return {
    ...(states === null ? {} : { state: { in: [...states] } }),
    // What would be a wildcard is a letter like any other.
    ...(name === null ? {} : { name: { contains: name.replaceAll(/[\\%_]/g, '\\$&'), mode: 'insensitive' as const } }),
    ...(architecture === null ? {} : { architecture }),
    ...(dataset === null ? {} : { dataset }),
    ...(device === null ? {} : { deviceNames: { has: device } }),
    ...(Object.keys(created).length === 0 ? {} : { createdAt: created }),
    ...(forkedFrom === null ? {} : { forkedFrom }),
  }
}
