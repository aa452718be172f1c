import { EnvironmentError, parseEnvironment } from './config/environment.js';

try {
  const environment = parseEnvironment(process.env);
  // Loaded only now, so that a mistake in the environment is told at once.
  const { createApp } = await import('./create-app.js');
  const app = await createApp(environment);
  await app.listen(environment.PORT, environment.HOST);
} catch (error) {
  console.error(explainFailure(error));
  process.exit(1);
}

function explainFailure(error: unknown): string {
  if (error instanceof EnvironmentError) return error.message;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return 'The port is taken: stop the other program, or set PORT.';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'HOST is not an address of this machine.';
  }
  if (code === 'EACCES') return 'The port may not be used by this user: set PORT to 1024 or above.';
  return error instanceof Error ? (error.stack ?? error.message) : 'The start failed.';
}
