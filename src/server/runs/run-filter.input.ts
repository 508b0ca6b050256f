// The arguments by which clients list runs.
import { ArgsType, Field, ID } from 'type-graphql'
import type { Architecture } from '../../shared/run-spec.ts'
import type { RunState } from '../../shared/run-state.ts'
import { ConnectionArgs } from '../connection.type.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { keyOf } from '../node.type.ts'
import { DateTimeScalar } from '../scalars.ts'
import type { RunFilter } from './run-filter.ts'
import { RunStateEnum } from './run.type.ts'

@ArgsType()
export class RunsArgs extends ConnectionArgs {
  @Field(() => [RunStateEnum], { nullable: true })
  states?: RunState[] | null

  @Field(() => String, { nullable: true, description: 'Part of the name, in capitals or not.' })
  name?: string | null

  @Field(() => ArchitectureEnum, { nullable: true })
  architecture?: Architecture | null

  @Field(() => String, { nullable: true })
  dataset?: string | null

  @Field(() => String, { nullable: true, description: 'Name of a device that they hold, or last held.' })
  device?: string | null

  @Field(() => DateTimeScalar, { nullable: true, description: 'Created then or later.' })
  createdFrom?: Date | null

  @Field(() => DateTimeScalar, { nullable: true, description: 'Created before.' })
  createdBefore?: Date | null

  @Field(() => ID, { nullable: true, description: 'The run that they were made from.' })
  forkedFrom?: string | null
}

export function filterOf(args: RunsArgs): RunFilter {
  const { states, name, architecture, dataset, device, createdFrom, createdBefore, forkedFrom } = args
  return {
    states: states ?? null,
    name: name ?? null,
    architecture: architecture ?? null,
    dataset: dataset ?? null,
    device: device ?? null,
    createdFrom: createdFrom ?? null,
    createdBefore: createdBefore ?? null,
    forkedFrom: typeof forkedFrom === 'string' ? keyOf('Run', forkedFrom) : null,
  }
}
