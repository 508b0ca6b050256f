// What each line of `trainql db` plans.
import { optional, type Values } from '../values.ts'

export interface DbPlan {
  command: 'db'
  action: 'rebuild'
  check: boolean
  /** Differences that are told one by one. */
  limit: number
  home?: string
  json: boolean
}

export function parseDb(values: Values): DbPlan {
  return {
    command: 'db',
    action: 'rebuild',
    check: values.flag('check') ?? false,
    limit: values.integer('limit', 0, 1_000_000) ?? 20,
    ...optional('home', values.text('home')),
    json: values.flag('json') ?? false,
  }
}
