// Brings a clone to where every command works, and does nothing when it is there already. Needs Node alone:
// it runs before any dependency is installed, so it imports none.

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `TrainQL needs Node 20.19 or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer one (https://nodejs.org, or your version manager), then run the command again.\n',
  )
  process.exit(1)
}

// Loaded only now: what follows may use what an old Node cannot parse.
import('./setup/main.mjs').then(
  ({ main }) => main(process.argv.slice(2)),
  (error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exitCode = 1
  },
)
