// A dataset as its GraphQL type shows it.
import type { DatasetInfo } from '../../shared/datasets.ts'
import { globalId } from '../node.type.ts'
import type { Dataset } from './dataset.type.ts'

export function datasetPayload(info: DatasetInfo): Dataset {
  return { __typename: 'Dataset', id: globalId('Dataset', info.name), ...info, classes: [...info.classes] }
}
