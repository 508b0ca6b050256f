// What the set-up prints: one line a step with its duration, and for long steps a sign of life.

const signOfLifeMs = process.stdout.isTTY ? 500 : 15_000
const clearLine = '\r\u001b[2K'

export function createReport({ quiet }) {
  const { stdout, stderr } = process
  const startedAt = performance.now()
  let done = 0
  let titled = false

  function begin(title) {
    if (!titled && !quiet) stdout.write('TrainQL set-up\n')
    titled = true
    const begunAt = performance.now()
    let note = ''
    const elapsed = () => duration(performance.now() - begunAt)
    const tick = () => {
      const text = `  … ${title} ${elapsed()}${note === '' ? '' : `  ${note}`}`
      stdout.write(stdout.isTTY ? `${clearLine}${text.slice(0, (stdout.columns ?? 80) - 1)}` : `${text}\n`)
    }
    if (stdout.isTTY) tick()
    const timer = setInterval(tick, signOfLifeMs)
    const end = (sign) => {
      clearInterval(timer)
      stdout.write(`${stdout.isTTY ? clearLine : ''}  ${sign} ${title.padEnd(24)} ${elapsed().padStart(7)}\n`)
    }
    return {
      /** Shown beside the next sign of life. */
      note: (text) => {
        note = text
      },
      done: () => {
        done += 1
        end('✓')
      },
      /** Done in part; a warning follows. */
      degraded: () => {
        done += 1
        end('!')
      },
      failed: () => end('✗'),
    }
  }

  return {
    begin,
    line: (text) => stdout.write(`${text}\n`),
    warn: (text) => stderr.write(`${warning(text)}\n`),
    /** A warning of an earlier set-up that still holds. */
    remind: (text) => quiet || stderr.write(`${warning(text)}\n`),
    failed: (error) => {
      if (error.log !== '') stderr.write(`\n${error.log}\n\n`)
      stderr.write(`${error.message}\n${error.fix}\n`)
      if (error.logFile !== null) stderr.write(`The whole log: ${error.logFile}\n`)
    },
    interrupted: () => stderr.write('\nset-up: interrupted; the next command goes on from here\n'),
    end: () => {
      const took = duration(performance.now() - startedAt)
      if (done > 0 && !quiet) stdout.write(`set-up: ready (${took})\n`)
      else if (!quiet) stdout.write(`set-up: up to date (${took})\n`)
    },
  }
}

function warning(text) {
  return `  ! ${text.replaceAll('\n', '\n    ')}`
}

function duration(ms) {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
  return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, '0')} s`
}
