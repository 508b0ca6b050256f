// Preloaded into the server and the trainers of a storm: gives them a clock that can be made to jump.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.env['CHAOS_FOLDER']
const lookEveryMs = 50

if (folder !== undefined) installClock(join(folder, 'clock-offset'))

/** Moves what `Date` says by the milliseconds in a file, and by others once the file is. */
function installClock(file) {
  const RealDate = Date
  let offsetMs = 0
  let seen = 0
  const look = () => {
    try {
      const { mtimeMs } = statSync(file)
      if (mtimeMs === seen) return
      seen = mtimeMs
      offsetMs = Number(readFileSync(file, 'utf8'))
    } catch {
      // Gone with the storm.
    }
  }
  look()
  setInterval(look, lookEveryMs).unref()
  const now = () => RealDate.now() + offsetMs
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
  })
}
