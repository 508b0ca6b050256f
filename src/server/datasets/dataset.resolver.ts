// Queries for datasets.
import { Arg, Args, Query, Resolver } from 'type-graphql'
import type { DatasetInfo } from '../../shared/datasets.ts'
import { ConnectionArgs, type CountedConnection, parsePage, toConnection } from '../connection.type.ts'
import { pageOfList } from '../page.ts'
import { datasetPayload } from './dataset.payload.ts'
import type { DatasetService } from './dataset.service.ts'
import { Dataset, DatasetConnection } from './dataset.type.ts'

@Resolver(() => Dataset)
export class DatasetResolver {
  constructor(private readonly datasets: DatasetService) {}

  @Query(() => Dataset, { nullable: true })
  async dataset(@Arg('name', () => String) name: string): Promise<Dataset | null> {
    const found = await this.datasets.find(name)
    return found === null ? null : datasetPayload(found)
  }

  @Query(() => DatasetConnection, { name: 'datasets' })
  async page(@Args(() => ConnectionArgs) args: ConnectionArgs): Promise<CountedConnection<Dataset>> {
    const page = parsePage(args, (text) => text)
    const all = await this.datasets.list()
    const key = ({ name }: DatasetInfo): string => name
    const connection = toConnection(page, pageOfList(all, page, key), { key, node: datasetPayload })
    return { ...connection, countAll: () => Promise.resolve(all.length) }
  }
}
