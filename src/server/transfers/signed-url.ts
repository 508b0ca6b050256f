// URLs that are good for one method, one path and a limited time, for whoever holds them.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nullWhereAbsent, replaceDurably } from '../durable-files.ts'

export type TransferMethod = 'GET' | 'PUT'

/** An export can be fetched for so long. */
export const exportKeepMs = 24 * 3_600_000

export interface UrlSigner {
  /** `path`, absolute and encoded, with a query that makes it good until `expiresAt`. */
  sign(method: TransferMethod, path: string, expiresAt: Date): string
  check(method: TransferMethod, path: string, query: Readonly<Record<string, unknown>>): 'VALID' | 'EXPIRED' | 'INVALID'
}

export function createUrlSigner(secret: Buffer, now: () => Date): UrlSigner {
  const signatureOf = (method: TransferMethod, path: string, expires: string): Buffer =>
    createHmac('sha256', secret).update(`${method}\n${path}\n${expires}`).digest()
  return {
    sign(method, path, expiresAt) {
      const expires = String(expiresAt.getTime())
      return `${path}?expires=${expires}&signature=${signatureOf(method, path, expires).toString('base64url')}`
    },
    check(method, path, { expires, signature }) {
      if (typeof expires !== 'string' || typeof signature !== 'string') return 'INVALID'
      const given = Buffer.from(signature, 'base64url')
      const expected = signatureOf(method, path, expires)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'INVALID'
      return Number(expires) > now().getTime() ? 'VALID' : 'EXPIRED'
    },
  }
}

const secretBytes = 32

/** The data directory's own secret, made where there is none; readable by its owner alone. The caller holds the lock. */
export async function readSecret(home: string): Promise<Buffer> {
  const file = join(home, 'secret')
  const known = await readFile(file, 'utf8').catch(nullWhereAbsent)
  const secret = known === null ? null : Buffer.from(known.trim(), 'hex')
  if (secret?.length === secretBytes) {
    await chmod(file, 0o600)
    return secret
  }
  const fresh = randomBytes(secretBytes)
  await replaceDurably(file, `${fresh.toString('hex')}\n`, 0o600)
  return fresh
}
