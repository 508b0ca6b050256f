// Tabs about checkpoints: the tutorial's matrix of saving on some devices and loading on others, whole and as weights, then
// files that come in and go out.
import type { Example, Newest } from './example.ts'

const failure = `    ... on Failure {
      code
      message
      fix
    }
    ... on InvalidInputFailure {
      field
    }`

/** On a machine with one CPU device, start the server with TRAINQL_CPU_DEVICES=4 for the tabs with several. */
const places = {
  single: { names: ['cpu:0'] },
  otherSingle: { names: ['cpu:1'] },
  multi: { names: ['cpu:0', 'cpu:1'] },
  otherMulti: { count: 4, kind: 'CPU' },
}

const task = { dataset: 'shapes', trainImages: 512, validationImages: 128, globalBatch: 64, shards: 4 }

interface Cell {
  name: string
  /** Sentences at the top of the tab. */
  about: string
  devices: unknown
}

const cells: Cell[] = [
  {
    name: 'SingleToSingle',
    about: `# Saved on one device, loaded on another. No device
# is in a checkpoint, so there is nothing to map.`,
    devices: places.otherSingle,
  },
  {
    name: 'SingleToMulti',
    about: `# Saved on one device, loaded on two. No "module."
# to add to the names.`,
    devices: places.multi,
  },
  {
    name: 'MultiToSingle',
    about: `# Saved on several devices, loaded on one. No
# "module." to take off.`,
    devices: places.single,
  },
  {
    name: 'MultiToMulti',
    about: `# Saved on two devices, loaded on four. The same
# weights to the bit, whatever the count.`,
    devices: places.otherMulti,
  },
]

/** The weights become the first ones of a new run. */
function weightsCell({ name, about, devices }: Cell, checkpoint: string): Example {
  return {
    query: `${about}
# Weights alone: a new run begins with them, and its
# load report says what was taken.
mutation ${name}Weights($input: CreateRunInput!) {
  createRun(input: $input) {
    ... on CreateRunSuccess {
      run {
        id
        state
        initialisedFrom {
          reference
        }
      }
    }
${failure}
  }
}
`,
    variables: { input: { ...task, initialise: { checkpoint }, devices } },
  }
}

/** The run itself goes on: weights, optimiser, schedule, place in the data. */
function wholeCell({ name, about, devices }: Cell, runId: string): Example {
  return {
    query: `${about}
# Whole: a run that failed or was canceled goes on,
# optimiser, schedule and place in the data included.
mutation ${name}Whole($runId: ID!, $devices: DevicesInput) {
  resumeRun(runId: $runId, devices: $devices) {
    ... on ResumeRunSuccess {
      run {
        id
        state
        attempt
      }
    }
${failure}
  }
}
`,
    variables: { runId, devices },
  }
}

export function checkpointExamples({ runId, checkpointId }: Newest): Example[] {
  return [
    ...cells.flatMap((cell) => [weightsCell(cell, checkpointId), wholeCell(cell, runId)]),
    {
      query: `# What became of loading: which tensors were taken,
# which are missing, what was stripped.
query LoadReport($runId: ID!) {
  run(id: $runId) {
    state
    initialisedFrom {
      reference
      importedFrom {
        file
        format
      }
    }
    loadReport {
      recognised {
        architecture
        classes
        inputChannels
      }
      matched
      missing
      unexpected
      reinitialised
      strippedPrefix
      deviceTags
    }
  }
}
`,
      variables: { runId },
    },
    {
      query: `# What a file is, and what would come of importing
# it. Name one in a folder of TRAINQL_CHECKPOINT_ROOTS,
# or leave the checkpoint that is here.
query InspectCheckpoint($input: InspectCheckpointInput!) {
  inspectCheckpoint(input: $input) {
    ... on CheckpointInspection {
      file
      format
      layout
      loads
      problems {
        code
        blocks
        message
        fix
      }
      report {
        description
        strippedPrefix
        deviceTags
        missing
        unexpected
      }
      optimizer {
        kind
        step
      }
    }
${failure}
  }
}
`,
      variables: { input: { checkpoint: checkpointId } },
    },
    {
      query: `# A PyTorch or safetensors file becomes a checkpoint:
# by path, by the id of an upload, or by the name of
# published weights. A refusal has its report.
mutation ImportCheckpoint($input: ImportCheckpointInput!) {
  importCheckpoint(input: $input) {
    ... on CheckpointSuccess {
      checkpoint {
        id
        reference
        architecture
        classes
        inputChannels
        loadReport {
          description
          strippedPrefix
          matched
        }
      }
    }
    ... on LoadRefusedFailure {
      loadReport {
        missing
        unexpected
        shapeMismatch {
          name
          expected
          found
        }
      }
    }
${failure}
  }
}
`,
      variables: { input: { path: 'resnet18.pth' } },
    },
    {
      query: `# A file for elsewhere: TORCH, SAFETENSORS or ONNX.
# Open the URL on this server to fetch it.
mutation ExportCheckpoint($input: ExportCheckpointInput!) {
  exportCheckpoint(input: $input) {
    ... on CheckpointDownload {
      url
      fileName
      bytes
      sha256
      expiresAt
    }
${failure}
  }
}
`,
      variables: { input: { checkpoint: checkpointId, format: 'TORCH', modulePrefix: false } },
    },
    {
      query: `# Are its files as they were written?
mutation VerifyCheckpoint($id: ID!) {
  verifyCheckpoint(id: $id) {
    ... on CheckpointVerification {
      intact
      files {
        name
        bytes
        intact
      }
    }
${failure}
  }
}
`,
      variables: { id: checkpointId },
    },
  ]
}
