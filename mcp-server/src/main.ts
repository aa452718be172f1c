import { EnvironmentError } from '@latchkey/environment/read-environment';
import { parseEnvironment } from './config/environment.js';
import { createApp } from './create-app.js';

try {
  const environment = parseEnvironment(process.env);
  const app = await createApp(environment);
  await app.listen(environment.MCP_PORT, environment.HOST);
} catch (error) {
  console.error(explainFailure(error));
  process.exit(1);
}

function explainFailure(error: unknown): string {
  if (error instanceof EnvironmentError) return error.message;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return 'The port is taken: stop the other program, or set MCP_PORT.';
  if (code === 'EADDRNOTAVAIL') return 'HOST is not an address of this machine.';
  if (code === 'EACCES')
    return 'The port may not be used by this user: set MCP_PORT to 1024 or above.';
  return error instanceof Error ? (error.stack ?? error.message) : 'The start failed.';
}
