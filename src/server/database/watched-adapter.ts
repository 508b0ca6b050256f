// Prisma's adapter, watched: a connection that breaks, or that cannot be had, is one error of ours, whatever the driver
// calls it. What the database itself answers stays what it is.
import type { PrismaPg } from '@prisma/adapter-pg'
import type { PrismaClient } from '../prisma-client/client.ts'
import { DatabaseUnavailable } from './outage.ts'

/** What Prisma takes. */
export type AdapterFactory = NonNullable<ConstructorParameters<typeof PrismaClient>[0]['adapter']>
type Adapter = Awaited<ReturnType<AdapterFactory['connect']>>
type Transaction = Awaited<ReturnType<Adapter['startTransaction']>>

export interface Watch {
  /** Nobody may use the database just now, though it may answer; null: all is well. */
  refusal(): Error | null
  lost(cause: unknown): void
}

export function watchAdapter(factory: PrismaPg, watch: Watch): AdapterFactory {
  const through = async <T>(operation: Promise<T>): Promise<T> => {
    try {
      return await operation
    } catch (error) {
      if (!isOutage(error)) throw error
      watch.lost(error)
      throw new DatabaseUnavailable({ cause: error })
    }
  }
  const admitted = <T>(operation: () => Promise<T>): Promise<T> => {
    const refusal = watch.refusal()
    return refusal === null ? through(operation()) : Promise.reject(new DatabaseUnavailable({ cause: refusal }))
  }

  function watchTransaction(inner: Transaction): Transaction {
    return {
      provider: inner.provider,
      adapterName: inner.adapterName,
      options: inner.options,
      queryRaw: (query) => through(inner.queryRaw(query)),
      executeRaw: (query) => through(inner.executeRaw(query)),
      commit: () => through(inner.commit()),
      rollback: () => through(inner.rollback()),
    }
  }

  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    async connect() {
      const inner = await factory.connect()
      const watched: Adapter = {
        provider: inner.provider,
        adapterName: inner.adapterName,
        queryRaw: (query) => admitted(() => inner.queryRaw(query)),
        executeRaw: (query) => admitted(() => inner.executeRaw(query)),
        executeScript: (script) => admitted(() => inner.executeScript(script)),
        startTransaction: (level) => admitted(async () => watchTransaction(await inner.startTransaction(level))),
        getConnectionInfo: () => inner.getConnectionInfo(),
        dispose: () => inner.dispose(),
      }
      return watched
    },
  }
}

const outageKinds: ReadonlySet<unknown> = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
])
/** Connection exceptions; the server is shutting down, has crashed, or is starting up. */
const outageCodes = /^(08...|57P0[123])$/

/** What PostgreSQL answers, Prisma's adapter throws by a kind; the driver's own errors are about the connection alone. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof Error) || error.name !== 'DriverAdapterError') return true
  const { kind, originalCode, code } = error.cause as { kind: string; originalCode?: string; code?: string }
  return outageKinds.has(kind) || outageCodes.test(originalCode ?? code ?? '')
}
