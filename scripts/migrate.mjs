// Authors migrations, and checks that they add up to the schema, with Prisma's schema engine as WebAssembly.
//
//   node scripts/migrate.mjs new NAME   writes prisma/migrations/<time>_NAME/migration.sql
//   node scripts/migrate.mjs check      fails where prisma/schema.prisma and the migrations differ
//
// The engine compares the schema with a database on which the migrations ran: an empty embedded one in memory.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'

// The engine reports a panic through this hook.
globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => process.stderr.write(`${message}\n`) }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const migrationsFolder = join(root, 'prisma', 'migrations')
const schemaFile = join(root, 'prisma', 'schema.prisma')

const [command, name] = process.argv.slice(2)
if (command === 'check') {
  const script = await difference()
  if (script !== '') {
    process.stderr.write(`The migrations do not add up to prisma/schema.prisma. Missing:\n${script}`)
    process.exit(1)
  }
} else if (command === 'new' && /^[a-z][a-z0-9_]*$/.test(name ?? '')) {
  const script = await difference()
  if (script === '') {
    process.stdout.write('The migrations already add up to prisma/schema.prisma.\n')
  } else {
    const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
    const folder = join(migrationsFolder, `${time}_${name}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'migration.sql'), script)
    process.stdout.write(`${join(folder, 'migration.sql')}\n`)
  }
} else {
  process.stderr.write('Usage: node scripts/migrate.mjs new NAME | check\n')
  process.exit(2)
}
// The embedded database keeps the event loop alive.
process.exit()

/** The SQL that leads from the migrations to the schema; empty where they agree. */
async function difference() {
  const engine = await openEngine()
  const filters = { externalTables: [], externalEnums: [] }
  const { stdout } = await engine.diff({
    from: { tag: 'migrations', ...readMigrationList() },
    to: { tag: 'schemaDatamodel', files: [schemaContainer()] },
    script: true,
    exitCode: null,
    filters,
  })
  const script = stdout ?? ''
  return script.trim() === '-- This is an empty migration.' ? '' : script
}

function schemaContainer() {
  return { path: schemaFile, content: readFileSync(schemaFile, 'utf8') }
}

function readMigrationList() {
  const entries = readdirSync(migrationsFolder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const lockfile = 'migration_lock.toml'
  return {
    baseDir: migrationsFolder,
    lockfile: { path: lockfile, content: readFileSync(join(migrationsFolder, lockfile), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: names.sort().map((folder) => ({
      path: folder,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(migrationsFolder, folder, 'migration.sql'), 'utf8') },
      },
    })),
  }
}

async function openEngine() {
  const resolved = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')
  const bindings = await import(join(dirname(resolved), 'schema_engine_bg.js'))
  const bytes = readFileSync(join(dirname(resolved), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings })
  bindings.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start?.()
  const adapter = bindMigrationAwareSqlAdapterFactory(embeddedFactory())
  return bindings.SchemaEngine.new({ datamodels: [[schemaFile, schemaContainer().content]] }, () => undefined, adapter)
}

/** An empty database in memory for each connection the engine asks for: the main one and the shadow one alike. */
function embeddedFactory() {
  const connect = async () => {
    const config = createPgConfig(await PGlite.create())
    const { connection } = config
    // The protocol writer expects a list of parameter types; node-postgres gives its parsers under that name.
    const parse = connection.parse.bind(connection)
    connection.parse = (query) => parse({ ...query, types: Array.isArray(query.types) ? query.types : [] })
    // The catalogue's one-byte "char" (18) is a type the adapter does not know and the engine insists on: it passes
    // the adapter as char(n) (1042), and its columns are named to the engine as what they are.
    let charColumns = []
    connection.on('rowDescription', ({ fields }) => {
      charColumns = fields.flatMap(({ dataTypeID }, index) => (dataTypeID === 18 ? [index] : []))
      for (const index of charColumns) fields[index].dataTypeID = 1042
    })
    const adapter = await new PrismaPg(new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0 })).connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query)
      for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character
      return result
    }
    return adapter
  }
  return { provider: 'postgres', adapterName: '@prisma/adapter-pg', connect, connectToShadowDb: connect }
}
