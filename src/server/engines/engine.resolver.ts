// The query for this server and its engines.
import { FieldResolver, Query, Resolver } from 'type-graphql'
import type { EngineService } from './engine.service.ts'
import { EngineInfo, Server } from './engine.type.ts'

@Resolver(() => Server)
export class ServerResolver {
  constructor(
    private readonly engineService: EngineService,
    private readonly facts: Pick<Server, 'version' | 'dataDirectory' | 'startedAt'>,
  ) {}

  @Query(() => Server, { description: 'Version and engine of this server.' })
  server(): Server {
    return this.facts
  }

  @FieldResolver(() => [EngineInfo], { description: 'Best first.' })
  async engines(): Promise<EngineInfo[]> {
    const engines = await this.engineService.list()
    return engines.map(({ name, available, detail, precisions }) => ({ name, available, detail, precisions }))
  }
}
