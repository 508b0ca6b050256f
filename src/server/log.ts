// The server's own log: one line an event on standard error, errors whole.
import { inspect } from 'node:util'

export interface Log {
  info(message: string): void
  warn(message: string): void
  /** Unknown errors with stack and cause. */
  error(message: string, error: unknown): void
}

export function createLog(write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const line = (level: string, message: string): void => write(`${new Date().toISOString()} ${level} ${message}\n`)
  return {
    info: (message) => line('info', message),
    warn: (message) => line('warn', message),
    error: (message, error) => line('error', `${message}\n${inspect(error, { depth: 5 })}`),
  }
}

/** Says nothing; for tests and for programs that print their own words. */
export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
