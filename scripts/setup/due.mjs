// What is left to do: each step's stamp against its inputs and outputs as they are now.
import { readStamp } from './stamps.mjs'
import { steps } from './steps.mjs'

/** Whether everything that the step of this name makes is there, of the inputs as they are. */
export function isUpToDate(name) {
  const step = steps.find((each) => each.name === name)
  if (step === undefined) throw new Error(`no step of the set-up is called ${name}`)
  return step.applies() && dueReason(step) === null
}

/** Why the step must run, or null when its outputs are there and its inputs are those of the last time. */
export function dueReason(step) {
  if (!step.applies()) return null
  const stamp = readStamp(step.name)
  // A step without inputs of its own tells by its outputs alone, whoever made them.
  const key = step.inputs?.().key
  if (key !== undefined && key !== stamp?.key) return stamp === null ? 'not done yet' : 'its inputs changed'
  const missing = stamp?.outcome === 'degraded' ? null : step.missingOutput()
  return missing === null ? null : `${missing} is missing`
}
