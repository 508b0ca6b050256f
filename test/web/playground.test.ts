// The playground in a real browser on the real server: nothing from elsewhere, no error, a query, a mutation, a stream.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type CreateRunInput } from '../../src/sdk/index.ts'
import { startRealServer, temporaryHome, type RealServer } from '../sdk/real-server.ts'

const browserPath = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path !== undefined && existsSync(path))
if (browserPath === undefined) {
  process.stdout.write('Skipped: the playground in a browser. Install Chromium, or name it in CHROMIUM_PATH.\n')
}

const repository = fileURLToPath(new URL('../../', import.meta.url))
/** Where the pictures of each step go; none are kept without it. */
const pictures = process.env['PLAYGROUND_PICTURES']

let place: Awaited<ReturnType<typeof temporaryHome>>
let server: RealServer
let profile: string
let context: BrowserContext
let runId: string
let page: Page
const exampleNames = [
  ...['ServerAndDevices', 'PlanRun', 'CreateRun', 'FollowRun', 'RunsWithMetrics', 'Checkpoints'],
  ...['PauseRun', 'ResumeRun', 'CancelRun'],
]
/** Small enough for the portable engine. */
const watched: CreateRunInput = {
  name: 'watched',
  dataset: 'shapes',
  trainImages: 64,
  validationImages: 16,
  globalBatch: 16,
  devices: { count: 1 },
}
const foreign: string[] = []
const complaints: string[] = []

beforeAll(async () => {
  if (browserPath === undefined) return
  if (!existsSync(join(repository, 'dist/web/playground/index.html'))) {
    await build({ configFile: join(repository, 'src/web/playground/vite.config.ts') })
  }
  place = await temporaryHome()
  server = await startRealServer(place.home)
  await using client = createClient({ url: server.url })
  runId = (await client.createRun(watched)).id
  // The tabs about a checkpoint name the one there is when the page opens.
  for await (const event of client.runEvents(runId)) if (event.__typename === 'CheckpointEvent') break
  profile = await mkdtemp(join(tmpdir(), 'trainql-profile-'))
  context = await chromium.launchPersistentContext(profile, {
    executablePath: browserPath,
    headless: true,
    viewport: { width: 1440, height: 900 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  page = context.pages()[0] ?? (await context.newPage())
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:' && protocol !== 'blob:' && origin !== server.url) foreign.push(request.url())
  })
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`${server.url}/playground`)
  await page.locator('.graphiql-container').waitFor()
})

afterAll(async () => {
  if (browserPath === undefined) return
  await context.close()
  await server.stop()
  await place.remove()
  await rm(profile, { recursive: true, force: true })
})

async function openTab(name: string): Promise<void> {
  await page.getByRole('tab', { name }).click()
}

async function execute(): Promise<void> {
  await page.getByRole('button', { name: 'Execute query' }).click()
}

/** Waits until the response pane shows this text; the editor renders only what is in view. */
async function responseShows(text: string): Promise<void> {
  await page.locator('.graphiql-response', { hasText: text }).waitFor()
}

async function picture(name: string): Promise<void> {
  if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) })
}

test.skipIf(browserPath === undefined)('opens with the example operations in its tabs', async () => {
  expect(await page.title()).toBe('TrainQL')
  const tabs = page.getByRole('tab')
  for (const [index, name] of exampleNames.entries()) expect(await tabs.nth(index).textContent()).toContain(name)
  await page.locator('.graphiql-query-editor', { hasText: 'query ServerAndDevices' }).waitFor()
  await picture('1-opened')
})

test.skipIf(browserPath === undefined)('streams the events of a run, the newest of which its tab names', async () => {
  await openTab('FollowRun')
  await page.locator('.graphiql-editor-tool', { hasText: runId }).waitFor()
  await execute()
  await responseShows('RunEndedEvent')
  await responseShows('SUCCEEDED')
  await picture('2-subscription')
})

test.skipIf(browserPath === undefined).each([
  ['ServerAndDevices', '"cpu:0"'],
  ['RunsWithMetrics', '"watched"'],
  ['Checkpoints', '"sha256"'],
  ['CreateRun', '"createRun"'],
  ['CancelRun', 'CONFLICT'],
  ['MultiToSingleWhole', 'CONFLICT'],
  ['InspectCheckpoint', '"loads": true'],
  ['ExportCheckpoint', '"url"'],
])('%s answers with %s', async (name, text) => {
  await openTab(name)
  await execute()
  await responseShows(text)
  await picture(name)
})

test.skipIf(browserPath === undefined)('asked nobody else for anything and reported no error', () => {
  expect(foreign).toEqual([])
  expect(complaints).toEqual([])
})
