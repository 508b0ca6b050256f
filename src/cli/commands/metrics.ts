// `trainql metrics`: fetches what a run measured from a server, into a file or to standard output.
import { once } from 'node:events'
import { open, rename, rm } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { createClient, type Client, type MetricsDownload } from '../../sdk/index.ts'
import { mark } from '../checkpoint/report.ts'
import { CliFailure } from '../failure.ts'
import { watchInterruption } from '../interruption.ts'
import type { MetricsPlan } from '../metrics/parse.ts'
import { refuseToReplace } from '../out-file.ts'
import { formatBytes, formatCount } from '../terminal/format.ts'
import { createScreen, type OutputStream, type Screen, type Streams } from '../terminal/screen.ts'

const defaultServer = 'http://127.0.0.1:4000'

/**
 * Resolves with the exit code.
 * @throws CliFailure, TrainqlClientError; the interruption, once nothing half written is left
 */
export async function metrics(plan: MetricsPlan, { stdout, stderr }: Streams): Promise<number> {
  const screen = createScreen(plan.json || plan.out === '-' ? stderr : stdout, process.env)
  const interruption = watchInterruption()
  await using client = connect(plan.server ?? (process.env['TRAINQL_URL'] || defaultServer))
  try {
    const signal = interruption.asked
    const options = { kind: plan.kind, format: plan.format, includeSuperseded: plan.superseded, signal }
    // Told before anything is asked for, where the name is known.
    if (plan.out !== undefined && plan.out !== '-') refuseUnlessForced(plan.out, plan)
    const download = await client.exportMetrics(plan.run, options)
    const bytes = client.readMetrics(download, { signal })
    if (plan.out === '-') await print(bytes, stdout)
    else tell(plan, await write(plan, download, { bytes, screen }), { screen, stdout })
    return 0
  } finally {
    screen.status()
    interruption.dispose()
  }
}

function connect(url: string): Client {
  try {
    return createClient({ url })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new CliFailure(error.message, 'Give the URL that the server printed when it started, with --server.')
  }
}

interface Written {
  file: string
  bytes: number
  rows: number
}

/** Under its name once it is whole. */
async function write(
  plan: MetricsPlan,
  { fileName, format }: MetricsDownload,
  { bytes, screen }: { bytes: AsyncIterable<Uint8Array>; screen: Screen },
): Promise<Written> {
  const file = plan.out ?? fileName
  refuseUnlessForced(file, plan)
  const unfinished = `${file}.part`
  const written = { file, bytes: 0, rows: format === 'CSV' ? -1 : 0 }
  const target = await open(unfinished, 'w').catch((error: unknown) => {
    throw new CliFailure(
      `${unfinished} cannot be written: ${(error as Error).message}.`,
      'Name another file with --out.',
    )
  })
  try {
    try {
      for await (const chunk of bytes) {
        await target.writeFile(chunk)
        written.bytes += chunk.length
        written.rows += countLines(chunk)
        screen.status(`${formatCount(written.rows)} rows, ${formatBytes(written.bytes)}`)
      }
    } finally {
      await target.close()
    }
    await rename(unfinished, file)
    return written
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/** Waits where the reader is slower than the server; ends where it goes away. */
async function print(bytes: AsyncIterable<Uint8Array>, stdout: OutputStream): Promise<void> {
  const text = new TextDecoder()
  for await (const chunk of bytes) {
    const hasRoom = stdout.write(text.decode(chunk, { stream: true }))
    if (!(stdout instanceof Writable)) continue
    if (hasRoom === false) await roomIn(stdout)
    if (stdout.errored !== null || stdout.destroyed) return
  }
}

async function roomIn(stdout: Writable): Promise<void> {
  const settled = new AbortController()
  const of = (event: string) => once(stdout, event, { signal: settled.signal }).catch(() => undefined)
  await Promise.race([of('drain'), of('close')])
  settled.abort()
}

function tell(plan: MetricsPlan, written: Written, { screen, stdout }: { screen: Screen; stdout: OutputStream }): void {
  const { file, bytes, rows } = written
  screen.status()
  if (plan.json) stdout.write(`${JSON.stringify(written)}\n`)
  else
    screen.line(
      `${mark(true, screen.style)} ${screen.style.bold(file)}  ${formatCount(rows)} ${plan.kind.toLowerCase()}  ${screen.style.dim(formatBytes(bytes))}`,
    )
}

function refuseUnlessForced(file: string, { replace }: MetricsPlan): void {
  if (!replace) refuseToReplace(file, 'Name another with --out, or add --force to replace it.')
}

const newline = '\n'.charCodeAt(0)

function countLines(chunk: Uint8Array): number {
  let lines = 0
  for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, at + 1)) lines += 1
  return lines
}
