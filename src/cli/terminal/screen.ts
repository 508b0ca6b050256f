// Output for people: lines that stay, and in a terminal one line at the bottom that is rewritten.

export interface OutputStream {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
}

export interface Streams {
  stdout: OutputStream
  stderr: OutputStream
}

export interface Screen {
  /** A status line can be rewritten, so it may change often. */
  readonly live: boolean
  readonly columns: number
  readonly style: Style
  /** Prints a line above the status. */
  line(text?: string): void
  /** Replaces the status; dropped where it cannot be rewritten. Without text it disappears. */
  status(text?: string): void
}

export interface Style {
  bold(text: string): string
  dim(text: string): string
  green(text: string): string
  red(text: string): string
  cyan(text: string): string
  /** Whether the terminal shows block characters. */
  unicode: boolean
}

/** Escape sequences only where a person is watching: not in a pipe, in CI, or with TERM=dumb. */
export function createScreen(stream: OutputStream, environment: NodeJS.ProcessEnv): Screen {
  const terminal = isInteractive(stream, environment)
  let status: string | undefined
  const erase = (): void => {
    if (status !== undefined) stream.write('\r\x1b[K')
  }
  return {
    live: terminal,
    get columns() {
      return stream.columns ?? 80
    },
    style: createStyle(terminal && !environment['NO_COLOR'], environment),
    line(text = '') {
      erase()
      stream.write(`${text}\n`)
      if (status !== undefined) stream.write(status)
    },
    status(text) {
      if (!terminal) return
      erase()
      status = text
      if (text !== undefined) stream.write(text)
    },
  }
}

export function isInteractive(stream: OutputStream, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && environment['TERM'] !== 'dumb' && !environment['CI']
}

function createStyle(color: boolean, environment: NodeJS.ProcessEnv): Style {
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      color ? `\x1b[${open}m${text}\x1b[${close}m` : text
  const locale = environment['LC_ALL'] || environment['LC_CTYPE'] || environment['LANG'] || ''
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    green: paint(32, 39),
    red: paint(31, 39),
    cyan: paint(36, 39),
    unicode: /utf-?8/i.test(locale),
  }
}
