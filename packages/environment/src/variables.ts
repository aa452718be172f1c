import { z } from 'zod';

// Messages never quote a value: an operator may have put a secret into the wrong variable.

export const wholeNumber = (minimum: number, maximum: number) => {
  const error = `must be from ${minimum} to ${maximum}`;
  return z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum, error).max(maximum, error));
};

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

/** A comma-separated list; blanks around an item are ignored. */
export const wordList = () =>
  z.string().transform((text) =>
    text
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  );

/** An IPv4 or IPv6 CIDR block. A single address becomes a block of one address. */
export const networkBlock = z
  .union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
    error: 'must be a CIDR block or an address, such as 10.0.0.0/8 or 2001:db8::/32',
  })
  .transform((text) => {
    if (text.includes('/')) return text;
    return `${text}/${text.includes(':') ? 128 : 32}`;
  });

/** An http:// or https:// URL without a user name, password, query or fragment. */
export const httpUrl = () =>
  z
    .string()
    .refine(isPlainHttpUrl, 'must be an http:// or https:// URL without user, query or fragment');

export const nodeEnvironment = oneOf(['development', 'test', 'production']).default('development');

export const logLevel = oneOf([
  'fatal',
  'error',
  'warn',
  'info',
  'debug',
  'trace',
  'silent',
]).default('info');

/** Default of DRAIN_SECONDS: only production has load balancers that must notice a shutdown. */
export const defaultDrainSeconds = (environment: z.output<typeof nodeEnvironment>): number =>
  environment === 'production' ? 5 : 0;

function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === '';
}
