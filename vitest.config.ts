import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './test/support/tally.reporter.ts'],
    projects: [
      { test: { name: 'unit', include: ['src/**/*.spec.ts'] } },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e-spec.ts'],
          globalSetup: ['test/support/database.setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
    coverage: {
      include: ['src/{auth,api-keys,users,internal-users,config}/**'],
      exclude: ['**/*.spec.ts', '**/*.module.ts'],
      thresholds: { branches: 100 },
    },
  },
});
