// Draws the losses of runs into one SVG: of each run a thousand points at most, however many steps it has taken.
import { writeFileSync } from 'node:fs'
import { createClient, type StepMetrics } from 'trainql'

const runIds = process.argv.slice(2)
if (runIds.length === 0) {
  console.error('Use: npx tsx examples/chart.ts RUN [RUN …] > chart.svg')
  process.exit(2)
}

const [width, height] = [960, 480]
const colours = ['#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#475569']

const client = createClient({ url: process.env['TRAINQL_URL'] ?? 'http://127.0.0.1:4000' })
try {
  const charts = await Promise.all(runIds.map((id) => client.stepMetrics(id, { maxPoints: 1000 })))
  writeFileSync(process.stdout.fd, draw(charts))
} finally {
  await client.close()
}

function draw(charts: readonly StepMetrics[]): string {
  const points = charts.flatMap((chart) => chart.points)
  const losses = points.flatMap(({ loss }) => (loss === null ? [] : [loss]))
  const [lowest, highest] = [Math.min(...losses), Math.max(...losses)]
  const lastStep = Math.max(...points.map(({ step }) => step))
  const x = (step: number): string => ((step / lastStep) * width).toFixed(1)
  const y = (loss: number): string => (((highest - loss) / (highest - lowest || 1)) * height).toFixed(1)
  const lines = charts.map((chart, index) => {
    const line = chart.points.flatMap(({ step, loss }) => (loss === null ? [] : [`${x(step)},${y(loss)}`])).join(' ')
    return `<polyline points="${line}" fill="none" stroke="${colours[index % colours.length] ?? ''}"/>`
  })
  // A loss that was NaN or infinite has no height; it is never thinned away.
  const breaks = points
    .filter(({ nonFinite }) => nonFinite)
    .map(({ step }) => `<line x1="${x(step)}" x2="${x(step)}" y1="0" y2="${height}" stroke="#dc2626"/>`)
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${[...lines, ...breaks].join('\n')}\n</svg>\n`
}
