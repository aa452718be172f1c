// Bundles each server into one file: docs/decisions/0045-bundled-servers.md.
import { build } from 'rolldown';

// Optional parts of Nest, most of them not installed, and a package that reads its own files.
const NOT_BUNDLED = [
  /^@nestjs\/(?:microservices|platform-express|websockets)/,
  /^@fastify\/(?:multipart|static|view)$/,
  /^class-(?:transformer|validator)$/,
  'pg-native',
  'swagger-ui-dist',
];

const SERVERS = ['dist/main.js', 'mcp-server/dist/main.js', 'mcp-server/dist/stdio.js'];

for (const input of SERVERS) {
  await build({
    input,
    platform: 'node',
    external: NOT_BUNDLED,
    output: {
      file: input.replace('dist/', 'dist/bundle/'),
      codeSplitting: false,
      // Decorators need `reflect-metadata` before them.
      strictExecutionOrder: true,
    },
  });
}
