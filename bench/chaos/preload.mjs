// Preloaded into the server and the trainers of a storm: gives them a clock that can be made to jump, and the server a
// database that can be made to go away.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { isMainThread } from 'node:worker_threads'

const folder = process.env['CHAOS_FOLDER']
const lookEveryMs = 50

if (folder !== undefined) {
  installClock(join(folder, 'clock-offset'))
  const isServer = isMainThread && process.argv[1]?.endsWith(join(sep, 'server', 'main.js')) === true
  if (isServer) installOutages(join(folder, 'database-outages'))
}

/** Moves what `Date` says by the milliseconds in a file, and by others once the file is. */
function installClock(file) {
  const RealDate = Date
  let offsetMs = 0
  follow(file, (text) => {
    offsetMs = Number(text)
  })
  const now = () => RealDate.now() + offsetMs
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
  })
}

/** Ends the thread of the embedded database, the server's only one, when the file is written, and answers beside it. */
function installOutages(file) {
  let database = null
  process.on('worker', (thread) => {
    database = thread
  })
  let known = null
  follow(file, (text) => {
    const isNew = known !== null
    known = text
    if (isNew) void database?.terminate().then(() => writeFileSync(`${file}.done`, text))
  })
}

/** Calls with what is in the file now, and whenever it is written. */
function follow(file, onText) {
  let seen = 0
  const look = () => {
    try {
      const { mtimeMs } = statSync(file)
      if (mtimeMs === seen) return
      seen = mtimeMs
      onText(readFileSync(file, 'utf8'))
    } catch {
      // Gone with the storm.
    }
  }
  look()
  setInterval(look, lookEveryMs).unref()
}
