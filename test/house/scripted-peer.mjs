// Stands in for Python with PyTorch in tests of the harness: answers as bench/peer/*.py do, with the seconds a step
// that SCRIPTED_PEER names for each variant. It computes nothing.
import { createInterface } from 'node:readline'

const script = JSON.parse(process.env.SCRIPTED_PEER)
const file = process.argv.find((argument) => argument.endsWith('.py'))

if (file === undefined)
  process.exit(0) // `-c 'import torch, torchvision'`
else if (file.endsWith('peak.py'))
  say({ version: '0.0', FP32: { flops: 1e12, size: 4096 }, BF16: { flops: 2e12, size: 4096 } })
else if (file.endsWith('train.py')) await train()
else process.exit(64)

async function train() {
  say({ ready: { version: '0.0', torchvision: '0.0', threads: 2, importedBytes: 1 } })
  let seconds
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    if ('open' in request) {
      const { precision, layout, compile } = request.open
      seconds = script.secondsPerStep[[precision, layout, compile ? 'compile' : 'eager'].join(' ')]
      if (seconds === undefined) process.exit(70)
      say({ opened: { optimizer: 'fused', parameters: script.parameters, secondsPerStep: seconds } })
    } else say({ seconds: Array(request.steps).fill(seconds), loss: 1 })
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
