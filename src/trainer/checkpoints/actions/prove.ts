// The action PROVE of the checkpoint process.
import { prove } from '../../proof/prove.ts'
import type { RunAction } from '../action.ts'

export const run: RunAction<'PROVE'> = async (request) => ({ kind: 'PROVED', proof: await prove(request) })
