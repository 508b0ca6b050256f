// The action VERIFY of the checkpoint process.
import type { RunAction } from '../action.ts'
import { verifyCheckpoint } from '../verify.ts'

export const run: RunAction<'VERIFY'> = async ({ folder }, say) => ({
  kind: 'VERIFIED',
  verification: await verifyCheckpoint(folder, (progress) => say({ kind: 'PROGRESS', ...progress })),
})
