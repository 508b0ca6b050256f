// Lets those who read the same at one time read it once, such as a crowd of subscribers behind a restart.

/**
 * `read` with a version before its arguments: whoever asks while a reading for the same version and arguments is under way
 * gets its answer.
 */
export function createSharedReading<Args extends (string | number)[], T>(
  read: (...args: Args) => Promise<T>,
): (version: string, ...args: Args) => Promise<T> {
  const underWay = new Map<string, Promise<T>>()
  return (version, ...args) => {
    const key = [version, ...args].join(' ')
    const known = underWay.get(key)
    if (known !== undefined) return known
    const reading = read(...args).finally(() => underWay.delete(key))
    underWay.set(key, reading)
    return reading
  }
}
