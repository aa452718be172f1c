import { parseArgs } from 'node:util';
import { mintAccessToken } from '@latchkey/access-tokens/mint';
import { USER_ID } from '@latchkey/access-tokens/user-id';
import { EnvironmentError } from '@latchkey/environment/read-environment';
import { SCOPES } from './auth/user.js';
import { parseEnvironment } from './config/environment.js';

const USAGE = `Usage: npm run token -- USER_ID [--scope "${SCOPES.join(' ')}"] [--hours 8] [--audience URL]`;

try {
  console.log(await mint());
} catch (error) {
  const isExplained = error instanceof EnvironmentError || error instanceof TypeError;
  console.error(error instanceof Error && isExplained ? error.message : error);
  process.exitCode = 1;
}

/** Makes a user's access token for development; in production they come from the issuer. */
async function mint(): Promise<string> {
  if (process.env.NODE_ENV === 'production') {
    throw new TypeError('NODE_ENV is production: ask the issuer of the tokens for one.');
  }
  const { userId, scope, hours, audience } = readOptions();
  const environment = parseEnvironment(process.env);
  if (environment.JWT_SECRET === undefined) {
    throw new TypeError('JWT_SECRET is not set: the tokens are made by the owner of JWT_JWKS_URL.');
  }
  return mintAccessToken({
    secret: environment.JWT_SECRET,
    issuer: environment.accessTokens.issuer,
    audience: audience ?? environment.accessTokens.audience,
    userId,
    clientId: 'latchkey-development',
    scopes: scope.split(' ').filter((word) => word !== ''),
    lifetimeSeconds: hours * 3600,
  });
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scope: { type: 'string', default: SCOPES.join(' ') },
      hours: { type: 'string', default: '8' },
      audience: { type: 'string' },
    },
  });
  const [userId, ...others] = positionals;
  const hours = Number(values.hours);
  const isUserId = userId !== undefined && USER_ID.test(userId);
  if (!isUserId || others.length > 0 || !(hours > 0 && hours <= 24 * 365)) {
    throw new TypeError(USAGE);
  }
  return { userId, hours, scope: values.scope, audience: values.audience };
}
