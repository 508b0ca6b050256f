// The operations that stand ready in the playground's tabs, in the order in which a newcomer would run them.
import { checkpointExamples } from './checkpoint-examples.ts'
import type { Example, Newest } from './example.ts'

export function examples({ runId, checkpointId }: Newest): Example[] {
  return [
    {
      query: `# What this server can train on, and with which engine.
# Ctrl-Enter runs it.
query ServerAndDevices {
  server {
    version
    engines {
      name
      available
      detail
    }
  }
  devices(first: 20) {
    totalCount
    nodes {
      name
      kind
      model
      state
      run {
        id
        name
      }
    }
  }
  datasets(first: 20) {
    nodes {
      name
      description
      trainImages
      validationImages
    }
  }
}
`,
    },
    {
      query: `# What a run would take, and when it would start, were
# it queued now. Nothing is changed; speed is told from
# the runs before it.
query PlanRun($input: CreateRunInput!) {
  planRun(input: $input) {
    ... on PlanRunSuccess {
      plan {
        parameters
        flopsPerImage
        memoryBytes
        steps
        imagesPerSecond {
          expected
          low
          high
        }
        durationSeconds {
          expected
          low
          high
        }
        basedOn
        deviceNames
      }
      expectedStart
      expectedEnd
      waitingFor
    }
    ... on Failure {
      message
      fix
    }
  }
}
`,
      variables: {
        input: { dataset: 'shapes', trainImages: 2048, validationImages: 512, epochs: 2, globalBatch: 64 },
      },
    },
    {
      query: `# Queues a run. Wrong input comes back as a failure
# that says what to do; put the run's id into FollowRun.
mutation CreateRun($input: CreateRunInput!) {
  createRun(input: $input) {
    ... on CreateRunSuccess {
      run {
        id
        state
        waitingFor
      }
    }
    ... on Failure {
      code
      message
      fix
    }
    ... on InvalidInputFailure {
      field
    }
  }
}
`,
      variables: {
        input: {
          name: 'from the playground',
          dataset: 'shapes',
          trainImages: 2048,
          validationImages: 512,
          epochs: 2,
          globalBatch: 64,
          optimizer: { kind: 'ADAMW' },
          learningRate: 0.002,
          schedule: { kind: 'COSINE', warmUpSteps: 8 },
          labelSmoothing: 0.1,
          devices: { count: 1, kind: 'CPU' },
        },
      },
    },
    {
      query: `# Every event of a run, once and in order: first the
# past ones, then each as it comes.
subscription FollowRun($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) {
    __typename
    ... on RunEvent {
      cursor
      at
    }
    ... on StartedEvent {
      engine
      devices
      stepsPerEpoch
    }
    ... on StepEvent {
      epoch
      step
      loss
      imagesPerSecond
    }
    ... on EpochEvent {
      metrics {
        epoch
        trainLoss
        validationLoss
        accuracy
      }
    }
    ... on CheckpointEvent {
      checkpoint {
        path
        sha256
      }
    }
    ... on RunEndedEvent {
      state
      failure {
        code
        message
        fix
      }
    }
    ... on Failure {
      code
      message
      fix
    }
  }
}
`,
      variables: { runId },
    },
    {
      query: `# The newest runs with what each epoch measured.
query RunsWithMetrics {
  runs(first: 10) {
    totalCount
    nodes {
      id
      name
      state
      architecture
      dataset
      deviceNames
      engine
      progress {
        epoch
        epochs
        step
        steps
        imagesPerSecond
      }
      epochMetrics {
        epoch
        trainLoss
        validationLoss
        accuracy
        imagesPerSecond
        wallSeconds
      }
      failure {
        message
        fix
      }
    }
  }
}
`,
    },
    {
      query: `# Checkpoints on disk: those of the newest run first,
# of one run the oldest first.
query Checkpoints {
  checkpoints(first: 10) {
    nodes {
      name
      epoch
      step
      bytes
      sha256
      path
      run {
        id
        name
      }
    }
  }
}
`,
    },
    {
      query: `# The run writes a checkpoint and gives its devices
# back, until ResumeRun. allowedActions says what else
# may be asked of it now.
mutation PauseRun($id: ID!, $expectedVersion: Int) {
  pauseRun(id: $id, expectedVersion: $expectedVersion) {
    ... on PauseRunSuccess {
      run {
        id
        state
        version
        allowedActions
      }
    }
    ... on Failure {
      code
      message
      fix
    }
    ... on ConflictFailure {
      currentRun {
        state
        version
      }
    }
  }
}
`,
      variables: { id: runId },
    },
    {
      query: `# The run goes on as its next attempt, on as many
# devices as you like: the weights end the same.
mutation ResumeRun($id: ID!, $devices: DevicesInput) {
  resumeRun(runId: $id, devices: $devices) {
    ... on ResumeRunSuccess {
      run {
        id
        state
        waitingFor
      }
    }
    ... on Failure {
      code
      message
      fix
    }
  }
}
`,
      variables: { id: runId, devices: { min: 1, max: 2 } },
    },
    {
      query: `# The run writes a checkpoint, stops, and gives
# its devices back.
mutation CancelRun($id: ID!) {
  cancelRun(id: $id) {
    ... on CancelRunSuccess {
      run {
        id
        state
      }
    }
    ... on Failure {
      code
      message
      fix
    }
  }
}
`,
      variables: { id: runId },
    },
    {
      query: `# A new run made from this one: its latest weights,
# with what you change. Left out: as it was.
mutation ForkRun($id: ID!, $input: ForkRunInput) {
  forkRun(id: $id, input: $input) {
    ... on ForkRunSuccess {
      run {
        id
        state
        forkedFrom {
          id
          name
        }
      }
    }
    ... on Failure {
      code
      message
      fix
    }
    ... on InvalidInputFailure {
      field
    }
  }
}
`,
      variables: { id: runId, input: { name: 'gentler', changes: { epochs: 1, learningRate: 0.0005 } } },
    },
    ...checkpointExamples({ runId, checkpointId }),
  ]
}
