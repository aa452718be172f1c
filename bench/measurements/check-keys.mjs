// Measures key checks. Prints the duration for each kind of key as JSON, in microseconds.
import { ApiKeyGuard } from '../../dist/auth/api-key.guard.js';
import { KeyVerifier } from '../../dist/api-keys/key-verifier.js';
import { generateApiKey } from '../../dist/api-keys/api-key-format.js';
import { parseEnvironment } from '../../dist/config/environment.js';
import { createApp } from '../../dist/create-app.js';
import { InternalUsersController } from '../../dist/internal-users/internal-users.controller.js';

const CHECKS = 100_000;
const ROUNDS = 7;
const ADDRESS = '127.0.0.1';

const environment = parseEnvironment(process.env);
const { ISSUED_KEY: issued, INTERNAL_API_KEY: root } = process.env;
const app = await createApp(environment);
await app.init();
const verifier = app.get(KeyVerifier, { strict: false });
const guard = app.get(ApiKeyGuard, { strict: false });
const unknown = generateApiKey(environment.API_KEY_ENVIRONMENT);
// A new process admits no issued key until it has received a heartbeat of the key sync.
while (verifier.verify(issued, ADDRESS).outcome !== 'admitted') {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const verify = (key) => () => verifier.verify(key, ADDRESS);
const times = {
  'a root key': await time(verify(root)),
  'an issued key': await time(verify(issued)),
  'an unknown key': await time(verify(unknown)),
  'a string without the format of a key': await time(verify('x'.repeat(40))),
  'no key': await time(verify('')),
  'an issued key, with all of ApiKeyGuard': await time(canActivate(issued)),
};
console.log(JSON.stringify(times));
await app.close();

/** The duration of a check in microseconds: the median of several rounds. */
async function time(check) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    for (let count = 0; count < CHECKS; count++) check();
    rounds.push(((performance.now() - startedAt) * 1000) / CHECKS);
    await new Promise(setImmediate);
  }
  return rounds.toSorted((one, other) => one - other)[Math.floor(ROUNDS / 2)];
}

function canActivate(key) {
  // This fake response ends immediately, so that the guard counts no request as in flight.
  const raw = { req: { socket: {} }, socket: {}, on: (_event, callback) => callback() };
  const reply = { raw, header: () => reply };
  const request = { headers: { 'x-api-key': key }, ip: ADDRESS };
  const http = { getRequest: () => request, getResponse: () => reply };
  const handler = Reflect.get(InternalUsersController.prototype, 'getUser');
  const context = {
    switchToHttp: () => http,
    getHandler: () => handler,
    getClass: () => InternalUsersController,
  };
  return () => guard.canActivate(context);
}
