// Mutations of a run that is there, and the run that a conflict is about: transport only.
import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import { answer } from '../failures/answer.ts'
import { ConflictFailure } from '../failures/failure.type.ts'
import { keyOf } from '../node.type.ts'
import { isAbsent } from './recipe-request.ts'
import {
  type CancelRunResult,
  CancelRunResultUnion,
  ForkRunInput,
  type ForkRunResult,
  ForkRunResultUnion,
  type PauseRunResult,
  PauseRunResultUnion,
  type ResumeRunResult,
  ResumeRunResultUnion,
  type SetRunPriorityResult,
  SetRunPriorityResultUnion,
} from './run-control.input.ts'
import type { RunControlService } from './run-control.service.ts'
import { DevicesInput } from './run.input.ts'
import { runPayload } from './run.payload.ts'
import type { RunRecord } from './run.record.ts'
import type { RunService } from './run.service.ts'
import { Run } from './run.type.ts'

const expectedVersionArg = {
  nullable: true,
  description: 'Nothing happens unless the run is at this version. Default: at any.',
}

@Resolver()
export class RunControlResolver {
  constructor(
    private readonly control: RunControlService,
    private readonly runs: RunService,
    private readonly runsDirectory: string,
  ) {}

  @Mutation(() => PauseRunResultUnion, {
    description:
      'Holds a queued run back at once. A running trainer writes a checkpoint and leaves: the run is PAUSING, then PAUSED, and holds no devices until it is resumed.',
  })
  pauseRun(
    @Arg('id', () => ID) id: string,
    @Arg('expectedVersion', () => Int, expectedVersionArg) expectedVersion: number | null,
  ): Promise<PauseRunResult> {
    return answer(['NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'PauseRunSuccess',
      run: this.show(await this.control.pause(keyOf('Run', id), asked(expectedVersion))),
    }))
  }

  @Mutation(() => ResumeRunResultUnion, {
    description:
      'A run that was paused, has failed or was canceled goes on as its next attempt, and so does one that is UNREACHABLE, whose silent trainer is given up: its weights end bit-equal to a run that never stopped.',
  })
  resumeRun(
    @Arg('runId', () => ID) runId: string,
    @Arg('checkpoint', () => ID, { nullable: true, description: 'One of its own. Default: its latest.' })
    checkpoint: string | null,
    @Arg('devices', () => DevicesInput, { nullable: true, description: 'Default: those it was created for.' })
    devices: DevicesInput | null,
    @Arg('expectedVersion', () => Int, expectedVersionArg) expectedVersion: number | null,
  ): Promise<ResumeRunResult> {
    const from = isAbsent(checkpoint) ? null : keyOf('Checkpoint', checkpoint)
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'ResumeRunSuccess',
      run: this.show(
        await this.control.resume(keyOf('Run', runId), { checkpoint: from, devices, ...asked(expectedVersion) }),
      ),
    }))
  }

  @Mutation(() => CancelRunResultUnion, {
    description: 'Ends a run; a running trainer writes a checkpoint first, from which the run can be resumed.',
  })
  cancelRun(
    @Arg('id', () => ID) id: string,
    @Arg('expectedVersion', () => Int, expectedVersionArg) expectedVersion: number | null,
  ): Promise<CancelRunResult> {
    return answer(['NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'CancelRunSuccess',
      run: this.show(await this.control.cancel(keyOf('Run', id), asked(expectedVersion))),
    }))
  }

  @Mutation(() => SetRunPriorityResultUnion, { description: 'The queue is planned anew at once.' })
  setRunPriority(
    @Arg('id', () => ID) id: string,
    @Arg('priority', () => Int, { description: 'From -1000 to 1000; the highest is served first.' }) priority: number,
    @Arg('expectedVersion', () => Int, expectedVersionArg) expectedVersion: number | null,
  ): Promise<SetRunPriorityResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'SetRunPrioritySuccess',
      run: this.show(await this.control.setPriority(keyOf('Run', id), { priority, ...asked(expectedVersion) })),
    }))
  }

  @Mutation(() => ForkRunResultUnion, {
    description:
      'A new run made from this one: its settings with changes, the weights of one of its checkpoints, and the state of the optimiser where nothing that it belongs to is another. It trains its own epochs from step 1, and does not depend on what becomes of this run.',
  })
  forkRun(
    @Arg('id', () => ID) id: string,
    @Arg('input', () => ForkRunInput, {
      nullable: true,
      description: 'Default: the same again from its latest checkpoint.',
    })
    input: ForkRunInput | null,
  ): Promise<ForkRunResult> {
    const { checkpoint, initialWeights, name, changes, reinitialise, stem } = input ?? new ForkRunInput()
    const wish = {
      checkpoint: isAbsent(checkpoint) ? null : keyOf('Checkpoint', checkpoint),
      initialWeights: initialWeights ?? false,
      name: name ?? null,
      changes: changes ?? {},
      reinitialise: reinitialise ?? [],
      stem,
    }
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'ForkRunSuccess',
      run: this.show(await this.runs.fork(keyOf('Run', id), wish)),
    }))
  }

  private show(record: RunRecord): Run {
    return runPayload(record, this.runsDirectory)
  }
}

@Resolver(() => ConflictFailure)
export class ConflictRunResolver {
  constructor(private readonly runsDirectory: string) {}

  @FieldResolver(() => Run, {
    nullable: true,
    description: 'The run that does not allow what was asked of it, as it is now; null where none is in the way.',
  })
  async currentRun(@Root() { runKey }: ConflictFailure, @Ctx() context: Context): Promise<Run | null> {
    const found = runKey === null ? null : await context.runs.load(runKey)
    return found === null ? null : runPayload(found, this.runsDirectory)
  }
}

function asked(expectedVersion: number | null | undefined): { expectedVersion: number | null } {
  return { expectedVersion: expectedVersion ?? null }
}
