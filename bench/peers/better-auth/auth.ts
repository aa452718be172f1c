import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { Pool } from 'pg';
import { settings } from '../settings.js';

/**
 * One pool for better-auth and the query of the user. better-auth's tables are in a schema of their
 * own.
 */
export const pool = new Pool({
  ...settings.database,
  options: '-c search_path=better_auth,public',
});

export const auth = betterAuth({
  baseURL: `http://127.0.0.1:${settings.port}`,
  secret: settings.apiKey,
  database: pool,
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  // Its default, ten requests a day, would refuse everything.
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});
