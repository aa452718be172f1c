// The folders that all features use. They may import each other, but not in a cycle.
const BASE = '^src/(config|http|prisma|problems|requests)/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-folder-cycle',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
    {
      name: 'base-imports-no-feature',
      severity: 'error',
      from: { path: BASE },
      to: { path: '^src/', pathNot: [BASE, '^src/generated/'] },
    },
    {
      name: 'controllers-use-services',
      comment: 'Controllers, guards and decorators reach the database through a service only.',
      severity: 'error',
      from: { path: '[.](controller|guard|decorator)[.]ts$' },
      to: { path: '^src/(prisma|generated)/' },
    },
    {
      name: 'only-modules-import-controllers',
      severity: 'error',
      from: { path: '^(src|mcp-server/src)/', pathNot: '[.]module[.]ts$' },
      to: { path: '[.]controller[.]ts$' },
    },
    {
      name: 'packages-import-no-server',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(src|mcp-server)/' },
    },
    {
      name: 'servers-share-packages-only',
      severity: 'error',
      from: { path: '^(src|mcp-server/src)/' },
      to: { path: '^(src|mcp-server)/', pathNot: '^$1/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['[.]spec[.]ts$', '^src/generated/', '/dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
