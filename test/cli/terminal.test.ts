// What the terminal shows, character by character.
import { expect, test } from 'vitest'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatRate,
  wrap,
} from '../../src/cli/terminal/format.ts'
import { renderBar, renderProgress } from '../../src/cli/terminal/progress.ts'
import { createScreen } from '../../src/cli/terminal/screen.ts'
import { renderSideBySide } from '../../src/cli/terminal/table.ts'

test.each([
  [0, '0.0 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1 m 00 s'],
  [65, '1 m 05 s'],
  [3599.7, '1 h 00 m'],
  [7380, '2 h 03 m'],
  [NaN, '-'],
  [-1, '-'],
])('formatDuration(%d) is %s', (seconds, expected) => {
  expect(formatDuration(seconds)).toBe(expected)
})

test('numbers', () => {
  expect(formatCount(11_175_370)).toBe('11,175,370')
  expect(formatPercent(0.88123)).toBe('88.12 %')
  expect(formatPercent(null)).toBe('-')
  expect(formatLoss(0.31249)).toBe('0.3125')
  expect(formatLoss(null)).toBe('not finite')
  expect([0.5, 9.876, 99.94, 1234.5].map(formatRate)).toEqual(['0.500', '9.88', '99.9', '1,235'])
  expect([999, 1000, 44_701_000].map(formatBytes)).toEqual(['999 B', '1.0 kB', '44.7 MB'])
})

test('wrap breaks at spaces only', () => {
  expect(wrap('one two three averylongword x', 8)).toEqual(['one two', 'three', 'averylongword', 'x'])
})

test('a bar fills by eighths', () => {
  expect(renderBar(0, 4, true)).toBe('░░░░')
  expect(renderBar(0.5, 4, true)).toBe('██░░')
  expect(renderBar(0.53125, 4, true)).toBe('██▏░')
  expect(renderBar(1, 4, true)).toBe('████')
  expect(renderBar(0.5, 4, false)).toBe('##--')
})

const half = {
  epoch: 2,
  epochs: 3,
  step: 350,
  steps: 700,
  loss: 0.3124,
  accuracy: 0.871,
  imagesPerSecond: 812,
  secondsLeft: 65,
}

test('a progress line says where training is, and fits', () => {
  const tail = '50 %  loss 0.3124  acc 87.1 %  812 img/s  ETA 1 m 05 s'
  expect(renderProgress(half, 120, false)).toBe(`epoch 2/3  ############------------  ${tail}`)
  expect(renderProgress(half, 80, false)).toBe(`epoch 2/3  ######------  ${tail}`)
  expect(renderProgress(half, 70, false)).toBe(`epoch 2/3  ${tail}`)
  expect(renderProgress(half, 20, false)).toBe('epoch 2/3  50 %  lo')
  const start = { epoch: 1, epochs: 1, step: 0, steps: 7, loss: null }
  expect(renderProgress(start, 40, false)).toBe(`epoch 1/1  ${'-'.repeat(23)}  0 %`)
  expect(renderProgress({ ...start, step: 7 }, 60, true)).toBe(`epoch 1/1  ${'█'.repeat(24)}  100 %  loss not finite`)
})

test('side by side aligns the first column to the left and the rest to the right', () => {
  expect(
    renderSideBySide([
      ['', '1 device', '2 devices'],
      ['wall time', '9.0 s', '5.0 s'],
    ]),
  ).toEqual(['            1 device   2 devices', 'wall time      9.0 s       5.0 s'])
})

function recorded(
  isTTY: boolean,
  environment: NodeJS.ProcessEnv = {},
): { text: () => string; screen: ReturnType<typeof createScreen> } {
  let text = ''
  const screen = createScreen({ write: (chunk: string) => (text += chunk), isTTY, columns: 80 }, environment)
  return { text: () => text, screen }
}

test('a terminal keeps the status below the lines', () => {
  const { screen, text } = recorded(true)
  screen.status('one')
  screen.line('row')
  screen.status('two')
  screen.status()
  screen.line('end')
  expect(text()).toBe('one\r\x1b[Krow\none\r\x1b[Ktwo\r\x1b[Kend\n')
})

test.each<[string, boolean, NodeJS.ProcessEnv]>([
  ['a pipe', false, {}],
  ['CI', true, { CI: 'true' }],
  ['a dumb terminal', true, { TERM: 'dumb' }],
])('%s gets no status and no escape sequence', (_, isTTY, environment) => {
  const { screen, text } = recorded(isTTY, environment)
  screen.status('one')
  screen.line(screen.style.bold('row'))
  expect(text()).toBe('row\n')
})

test('NO_COLOR leaves the status line and takes the colours', () => {
  const { screen, text } = recorded(true, { NO_COLOR: '1' })
  screen.status(screen.style.red('one'))
  expect(text()).toBe('one')
})
