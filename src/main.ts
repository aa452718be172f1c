import './heap.js';
import { resolveAddress } from '@latchkey/http-front/connections';
import { loadEnvFiles } from '@latchkey/environment/env-files';
import { explainStartFailure } from '@latchkey/environment/start-failure';
import { shutDownOnSignal } from '@latchkey/http-front/graceful-shutdown';
import { parseEnvironment } from './config/environment.js';

try {
  loadEnvFiles();
  const environment = parseEnvironment(process.env);
  // Imported only now, so that configuration errors are reported before the application is loaded.
  const { createApp } = await import('./create-app.js');
  const app = await createApp(environment);
  await app.listen(environment.PORT, await resolveAddress(environment.HOST));
  shutDownOnSignal(app, environment.DRAIN_SECONDS * 1000);
} catch (error) {
  console.error(explainStartFailure(error, 'PORT'));
  process.exit(1);
}
