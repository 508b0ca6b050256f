// The database as the stores see it.
import type { PrismaClient } from '../prisma-client/client.ts'

export interface Database {
  prisma: PrismaClient
}
