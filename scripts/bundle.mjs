// Bundles each server into one file: docs/decisions/0045-bundled-servers.md.
import { build } from 'rolldown';

// Optional dependencies that are not installed, and packages that read files in their own folder.
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
      // Keeps the order of imports: `reflect-metadata` must run before the first decorator.
      strictExecutionOrder: true,
    },
  });
}
