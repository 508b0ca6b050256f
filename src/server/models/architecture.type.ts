// The architectures there are, as GraphQL names them.
import { registerEnumType } from 'type-graphql'
import { architectures } from '../../shared/run-spec.ts'
import { enumOf } from '../enum.ts'

export const ArchitectureEnum = enumOf(architectures)
registerEnumType(ArchitectureEnum, { name: 'Architecture' })
