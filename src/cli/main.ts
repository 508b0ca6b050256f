#!/usr/bin/env node
// The `trainql` command.
import { run } from './run.ts'

// A reader that went away (`trainql --help | head -1`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = await run(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr })
