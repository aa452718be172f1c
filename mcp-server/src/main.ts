// Imported first: its V8 flag must apply while the other modules load.
import './heap-growth.js';
import { resolveAddress } from '@latchkey/http-front/connections';
import { loadEnvFiles } from '@latchkey/environment/env-files';
import { explainStartFailure } from '@latchkey/environment/start-failure';
import { shutDownOnSignal } from '@latchkey/http-front/graceful-shutdown';
import { parseEnvironment } from './config/environment.js';

try {
  loadEnvFiles();
  const environment = parseEnvironment(process.env);
  // Imported after the validation: an invalid variable is reported before the slow imports.
  const { createApp } = await import('./create-app.js');
  const app = await createApp(environment);
  await app.listen(environment.MCP_PORT, await resolveAddress(environment.HOST));
  shutDownOnSignal(app, environment.DRAIN_SECONDS * 1000);
} catch (error) {
  console.error(explainStartFailure(error, 'MCP_PORT'));
  process.exit(1);
}
