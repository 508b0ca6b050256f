// Lint rules: types are trusted, no promise floats, and each room imports only the rooms it may.
import { fileURLToPath } from 'node:url'
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript'
import importX from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

const root = fileURLToPath(new URL('.', import.meta.url))

/**
 * What each folder of src may import from src. A folder always reaches itself; a new folder that is not listed
 * here may import nothing, so that its place is decided when it appears.
 */
const rooms = {
  shared: { may: [], why: 'src/shared is the ground floor: it imports nothing of ours.' },
  trainer: { may: ['shared'], why: 'The trainer knows neither server, database nor network: only src/shared.' },
  server: {
    may: ['shared', 'trainer/models'],
    why: 'The server reaches the trainer by its entry URL and the run directory; of its code, only trainer/models.',
  },
  sdk: { may: [], why: 'The SDK knows the schema alone: it imports only itself and its generated code.' },
  cli: { may: ['sdk', 'shared'], why: 'The CLI speaks to the server through the SDK, or starts it by its entry URL.' },
  web: { may: ['sdk'], why: 'Pages speak to the server through the SDK only.' },
}

const roomZones = Object.entries(rooms).map(([room, { may, why }]) => ({
  target: `src/${room}`,
  from: 'src',
  except: [`./${room}`, ...may.map((other) => `./${other}`)],
  message: why,
}))

/** Inside the server: resolver -> service -> store -> Prisma, each step only to the next. */
const layerZones = [
  {
    target: 'src/server/**/*.resolver.ts',
    from: 'src/server/**/*.store.ts',
    message: 'A resolver is transport: call the service.',
  },
  {
    target: 'src/server/**/*.service.ts',
    from: ['src/server/**/*.type.ts', 'src/server/**/*.input.ts', 'src/server/**/*.resolver.ts'],
    message: 'A service knows no GraphQL: take and return plain records.',
  },
  {
    target: 'src/server/**/*.store.ts',
    from: [
      'src/server/**/*.type.ts',
      'src/server/**/*.input.ts',
      'src/server/**/*.resolver.ts',
      'src/server/**/*.service.ts',
    ],
    message: 'A store maps rows to plain records and knows nothing above it.',
  },
  {
    target: 'src/server/**/*.{type,input}.ts',
    from: ['src/server/**/*.resolver.ts', 'src/server/**/*.service.ts', 'src/server/**/*.store.ts'],
    message: 'GraphQL classes describe the schema and do nothing.',
  },
]

/** Code that may see Prisma: the stores, and what opens and migrates the database. */
const prismaFiles = ['src/server/**/*.store.ts', 'src/server/database/**/*.ts']
const addonFile = 'src/trainer/addon.ts'

const databasePackages = {
  regex: String.raw`^(@prisma/|prisma$|prisma/|@electric-sql/|pg$|pg/)`,
  message: 'Only stores and src/server/database see Prisma and the database.',
}
const prismaClient = {
  regex: String.raw`/prisma-client(/|$)`,
  message: 'Only stores and src/server/database see the Prisma client.',
}
const graphqlPackages = {
  regex: String.raw`^(graphql$|graphql/|graphql-|type-graphql|@apollo/)`,
  message: 'Services, stores and src/trainer and src/shared know no GraphQL.',
}
const nativeEngine = {
  regex: String.raw`engines/native\.ts$|^\./native\.ts$`,
  message: 'Engines are opened through src/trainer/engines/open.ts.',
}
const addon = { regex: String.raw`\.node$`, message: `Only ${addonFile} loads the addon.` }

/** `no-restricted-imports` is one rule: a later block replaces an earlier one, so each block states its whole list. */
function forbidImports(...patterns) {
  return { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] }
}

/** import() of what a list forbids for import declarations. */
function forbidDynamicImports(...patterns) {
  return patterns.map(({ regex, message }) => ({
    selector: `ImportExpression[source.value=/${regex.replaceAll('/', String.raw`\/`)}/]`,
    message,
  }))
}

const addonLoaders = [
  { selector: 'MemberExpression[object.name="process"][property.name="dlopen"]', message: addon.message },
  { selector: 'CallExpression[callee.name="createRequire"]', message: `${addon.message} Everything else is ESM.` },
]

export default tseslint.config(
  {
    ignores: [
      'node_modules/',
      'dist/',
      'build/',
      'coverage/',
      '.trainql/',
      'src/server/prisma-client/',
      'src/sdk/generated/',
      'examples/sdk-outside/',
      'native/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx,mts}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: false }],
      '@typescript-eslint/no-floating-promises': ['error', { checkThenables: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNever: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // GraphQL payloads are plain literals: type-graphql classes only describe the schema.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Environments and headers are records whose keys come and go.
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      eqeqeq: 'error',
      // What a command says goes through its own writer; a stray console.log is a left-over.
      'no-console': ['error', { allow: ['error', 'warn'] }],
      'object-shorthand': 'error',
      'prefer-template': 'error',
    },
  },
  // An example prints as its reader would.
  { files: ['examples/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.{ts,tsx,mts,js,mjs}'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.tsx', '.mts', '.js', '.mjs'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx', '.mts'] },
      'import-x/resolver-next': [
        createTypeScriptImportResolver({ extensions: ['.ts', '.tsx', '.mts', '.js', '.mjs', '.json', '.node'] }),
        importX.createNodeResolver(),
      ],
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-self-import': 'error',
      'import-x/no-duplicates': ['error', { 'prefer-inline': true }],
      'import-x/no-restricted-paths': ['error', { basePath: root, zones: [...roomZones, ...layerZones] }],
    },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    rules: {
      ...forbidImports(databasePackages, prismaClient, nativeEngine, addon),
      'no-restricted-syntax': [
        'error',
        ...addonLoaders,
        ...forbidDynamicImports(databasePackages, prismaClient, nativeEngine, addon),
      ],
    },
  },
  {
    files: ['src/{trainer,shared}/**/*.ts', 'src/server/**/*.service.ts'],
    rules: {
      ...forbidImports(databasePackages, prismaClient, nativeEngine, addon, graphqlPackages),
      'no-restricted-syntax': [
        'error',
        ...addonLoaders,
        ...forbidDynamicImports(databasePackages, prismaClient, nativeEngine, addon, graphqlPackages),
      ],
    },
  },
  {
    files: prismaFiles,
    rules: {
      ...forbidImports(graphqlPackages, nativeEngine, addon),
      'no-restricted-syntax': ['error', ...addonLoaders, ...forbidDynamicImports(graphqlPackages, nativeEngine, addon)],
    },
  },
  {
    files: ['src/trainer/engines/open.ts'],
    rules: {
      ...forbidImports(databasePackages, prismaClient, addon, graphqlPackages),
      'no-restricted-syntax': [
        'error',
        ...addonLoaders,
        ...forbidDynamicImports(databasePackages, prismaClient, addon, graphqlPackages),
      ],
    },
  },
  {
    files: [addonFile],
    rules: {
      ...forbidImports(databasePackages, prismaClient, nativeEngine, graphqlPackages),
      'no-restricted-syntax': [
        'error',
        ...forbidDynamicImports(databasePackages, prismaClient, nativeEngine, graphqlPackages),
      ],
    },
  },
  {
    files: ['examples/**/*.ts', 'test/**/*.ts', 'src/trainer/main.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Tests hand untyped input to what must refuse it, and index what they just asserted.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
)
