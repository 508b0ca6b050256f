// Keeping house of checkpoints: pin, delete, verify.
import { Arg, ID, Mutation, Resolver } from 'type-graphql'
import { answer } from '../failures/answer.ts'
import { keyOf } from '../node.type.ts'
import type { CheckpointKeepingService } from './checkpoint-keeping.service.ts'
import {
  type KeepCheckpointResult,
  KeepCheckpointResultUnion,
  type VerifyCheckpointResult,
  VerifyCheckpointResultUnion,
} from './checkpoint.input.ts'
import { checkpointPayload } from './checkpoint.payload.ts'
import type { CheckpointRecord } from './checkpoint.record.ts'

@Resolver()
export class CheckpointKeepingResolver {
  constructor(
    private readonly keeping: CheckpointKeepingService,
    private readonly home: string,
  ) {}

  @Mutation(() => KeepCheckpointResultUnion, {
    description: 'A pinned checkpoint is not deleted, neither by hand nor by the policy of its run.',
  })
  pinCheckpoint(
    @Arg('id', () => ID) id: string,
    @Arg('pinned', () => Boolean, { defaultValue: true }) pinned: boolean,
  ): Promise<KeepCheckpointResult> {
    return this.keep(() => this.keeping.pin(keyOf('Checkpoint', id), pinned))
  }

  @Mutation(() => KeepCheckpointResultUnion, {
    description: 'Removes its files, unless it is pinned or a run that has not ended goes on from it.',
  })
  deleteCheckpoint(@Arg('id', () => ID) id: string): Promise<KeepCheckpointResult> {
    return this.keep(() => this.keeping.delete(keyOf('Checkpoint', id)))
  }

  @Mutation(() => VerifyCheckpointResultUnion, { description: 'Hashes its files anew.' })
  verifyCheckpoint(@Arg('id', () => ID) id: string): Promise<VerifyCheckpointResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => {
      const { record, verification } = await this.keeping.verify(keyOf('Checkpoint', id))
      const { intact, files } = verification
      return {
        __typename: 'CheckpointVerification',
        checkpoint: checkpointPayload(record, this.home),
        intact,
        files: files.map(({ bytes, ...file }) => ({ ...file, bytes: BigInt(bytes) })),
      }
    })
  }

  private keep(operation: () => Promise<CheckpointRecord>): Promise<KeepCheckpointResult> {
    return answer(['NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'CheckpointSuccess',
      checkpoint: checkpointPayload(await operation(), this.home),
    }))
  }
}
