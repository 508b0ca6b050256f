// `checkpoint`: a ResNet-152's 240 MB into memory and onto the disk, beside torch.load and torch.save.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { rowsOrReason, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { allowedCores } from '../machine.ts'
import { median, spread } from '../rounds.ts'
import { findPython, pythonCommand } from '../train/pytorch.ts'
import { startWorker, withWorkers, type Worker } from '../worker.ts'

const rows = {
  load: 'load-resnet152',
  save: 'save-resnet152',
  loadFolder: 'load-resnet152-folder',
  saveFolder: 'save-resnet152-folder',
}
const allowedBytes = 64 * 1024 * 1024
const readyWithinMs = 120_000

const measuredAnswer = z.object({ seconds: z.number().positive(), peakBytes: z.number() })
type Measured = z.output<typeof measuredAnswer>

export const checkpoint: Bench = {
  name: 'checkpoint',
  description: 'a ResNet-152 loaded and saved, beside torch.load and torch.save',
  rowNames: Object.values(rows),
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'trainql-bench-checkpoint-'))
  try {
    yield* await rowsOrReason(options.rows, () => measure(folder, options))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Round {
  ours: {
    load: Measured
    again: Measured
    save: Measured
    saveWhole: Measured
    saveFolder: Measured
    loadFolder: Measured
  }
  peer: { load: Measured; again: Measured; save: Measured }
}

async function measure(folder: string, { rows: wanted, rounds, note }: BenchOptions): Promise<Row[]> {
  const python = findPython()
  const file = join(folder, 'resnet152.pth')
  const { bytes, version } = await withPeer(python, async (peer) => ({
    version: peer.ready.ready.version,
    ...(await peer.ask({ make: file }, z.object({ bytes: z.number() }))),
  }))
  const measured: Round[] = []
  for (let round = 0; round < rounds; round += 1) {
    // Each side in a process of its own that has loaded nothing before: so it is where a model is loaded once.
    const sides = [
      async () => ({ ours: await oursOnce(folder, file) }),
      async () => ({ peer: await peerOnce(python, folder, file) }),
    ]
    const [first, second] = round % 2 === 0 ? sides : sides.toReversed()
    const done = { ...(await first?.()), ...(await second?.()) } as Round
    measured.push(done)
    note(
      `  round ${round + 1}/${rounds}: load ${ms(done.ours.load)} / ${ms(done.peer.load)}, save ${ms(done.ours.save)} / ${ms(done.peer.save)} ms`,
    )
  }
  const all = toRows(measured, { bytes, version, rounds })
  return all.filter(({ name }) => wanted.includes(name))
}

function ms({ seconds }: Measured): string {
  return (seconds * 1000).toFixed(0)
}

async function oursOnce(folder: string, file: string): Promise<Round['ours']> {
  return withWorkers(async (open) => {
    const script = fileURLToPath(new URL('../workers/checkpoint.ts', import.meta.url))
    const args = ['--expose-gc', '--import', 'tsx', script]
    const worker = await open(
      startWorker(
        { name: 'our side', command: process.execPath, args, readyWithinMs },
        z.object({ ready: z.literal(true) }),
      ),
    )
    const [out, folderFile] = [join(folder, 'ours.pth'), join(folder, 'model.safetensors')]
    const ask = (request: Record<string, string>) => worker.ask(request, measuredAnswer)
    const load = await ask({ load: file })
    const save = await ask({ save: out })
    const saveWhole = await ask({ saveWhole: out })
    const saveFolder = await ask({ saveFolder: folderFile })
    const loadFolder = await ask({ loadFolder: folderFile })
    return { load, save, saveWhole, saveFolder, loadFolder, again: await ask({ load: file }) }
  })
}

async function peerOnce(python: string, folder: string, file: string): Promise<Round['peer']> {
  return withPeer(python, async (worker) => {
    const load = await worker.ask({ load: file }, measuredAnswer)
    const save = await worker.ask({ save: join(folder, 'theirs.pth') }, measuredAnswer)
    return { load, save, again: await worker.ask({ load: file }, measuredAnswer) }
  })
}

const peerReady = z.object({ ready: z.object({ version: z.string() }) })

function withPeer<T>(python: string, work: (worker: Worker<z.output<typeof peerReady>>) => Promise<T>): Promise<T> {
  const command = pythonCommand('checkpoint.py', { cores: allowedCores() }, { python, tcmalloc: null })
  return withWorkers(async (open) =>
    work(await open(startWorker({ name: 'PyTorch', ...command, readyWithinMs }, peerReady))),
  )
}

interface Facts {
  bytes: number
  version: string
  rounds: number
}

function toRows(measured: readonly Round[], { bytes, version, rounds }: Facts): MeasuredRow[] {
  const of = (pick: (round: Round) => Measured) => ({
    milliseconds: measured.map((round) => 1000 * pick(round).seconds),
    peakBytes: Math.max(...measured.map((round) => pick(round).peakBytes)),
  })
  const common = { peer: `PyTorch ${version}`, rounds, fileBytes: bytes }
  type Side = ReturnType<typeof of>
  const compared = (name: string, ours: Side, theirs: Side, detail: MeasuredRow['detail']): MeasuredRow => ({
    ...{ name, status: 'measured', unit: 'ms', value: null, bar: 1 },
    ours: median(ours.milliseconds),
    peer: median(theirs.milliseconds),
    ratio: median(ours.milliseconds.map((time, round) => (theirs.milliseconds[round] as number) / time)),
    detail: {
      ...common,
      ...{ oursPeakBytes: ours.peakBytes, peerPeakBytes: theirs.peakBytes },
      spread: spread(ours.milliseconds),
      ...detail,
    },
  })
  const alone = (name: string, ours: Side, detail: MeasuredRow['detail']): MeasuredRow => ({
    ...{ name, status: 'measured', unit: 'ms', ours: null, peer: null, ratio: null, bar: null },
    value: median(ours.milliseconds),
    detail: { rounds, oursPeakBytes: ours.peakBytes, spread: spread(ours.milliseconds), ...detail },
  })
  const loads = of(({ ours }) => ours.load)
  const saves = of(({ ours }) => ours.save)
  return [
    compared(
      rows.load,
      loads,
      of(({ peer }) => peer.load),
      {
        // The model itself, and as much again as the issue allows: its file and 64 MiB.
        memory: loads.peakBytes <= 2 * bytes + allowedBytes ? 'within what is allowed' : 'beyond what is allowed',
        includes: 'CRC-32 of every record, which torch.load leaves out',
        oursAgainMs: median(of(({ ours }) => ours.again).milliseconds),
        peerAgainMs: median(of(({ peer }) => peer.again).milliseconds),
      },
    ),
    compared(
      rows.save,
      saves,
      of(({ peer }) => peer.save),
      {
        memory: saves.peakBytes <= bytes + allowedBytes ? 'within what is allowed' : 'beyond what is allowed',
        includes: 'CRC-32 on both sides; no flush to the disk and no hash on either',
        withHashAndFlushMs: median(of(({ ours }) => ours.saveWhole).milliseconds),
      },
    ),
    alone(
      rows.loadFolder,
      of(({ ours }) => ours.loadFolder),
      { includes: 'sha-256' },
    ),
    alone(
      rows.saveFolder,
      of(({ ours }) => ours.saveFolder),
      { includes: 'sha-256 and a flush to the disk' },
    ),
  ]
}
