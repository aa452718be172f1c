import './heap.js';
import { addressOf } from '@latchkey/http-front/connections';
import { explainStartFailure } from '@latchkey/environment/start-failure';
import { endOnSignal } from '@latchkey/http-front/end-on-signal';
import { parseEnvironment } from './config/environment.js';

try {
  const environment = parseEnvironment(process.env);
  // Imported after the check, so that a mistake in the environment is reported at once.
  const { createApp } = await import('./create-app.js');
  const app = await createApp(environment);
  await app.listen(environment.PORT, await addressOf(environment.HOST));
  endOnSignal(app, environment.DRAIN_SECONDS * 1000);
} catch (error) {
  console.error(explainStartFailure(error, 'PORT'));
  process.exit(1);
}
