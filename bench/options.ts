import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- [options]

  --quick             runs at most 3 minutes; fails if the throughput ratio of two peers is below
                      75 % of its recorded value
  --only A,B          runs only these measurements
  --peers A,B         runs only the throughput measurement, with these peers
  --dry-run           writes no files (--quick and --peers imply this option)
  --rounds N          number of rounds; default 5
  --seconds N         duration of each round; default 10
  --connections N     concurrent connections, unless a measurement sets its own number; default 64
  --users N           number of users in the database; default 100000`;

export interface Options {
  readonly quick: boolean;
  readonly only: readonly string[] | undefined;
  readonly peers: readonly string[] | undefined;
  /** Whether the run writes docs/explanation/performance-figures.md. */
  readonly writes: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly users: number;
}

const FULL = { rounds: 5, seconds: 10 };
const QUICK = { rounds: 10, seconds: 1 };

/** @throws TypeError that explains an invalid argument */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '64' },
      users: { type: 'string', default: '100000' },
    },
  });
  const { quick } = values;
  const defaults = quick ? QUICK : FULL;
  return {
    quick,
    only: values.peers === undefined ? values.only?.split(',') : ['throughput'],
    peers: values.peers?.split(','),
    writes: !quick && !values['dry-run'] && values.peers === undefined,
    rounds: wholeNumber('rounds', values.rounds, defaults.rounds),
    seconds: wholeNumber('seconds', values.seconds, defaults.seconds),
    connections: wholeNumber('connections', values.connections),
    users: wholeNumber('users', values.users),
  };
}

function wholeNumber(name: string, text: string | undefined, fallback = 0): number {
  if (text === undefined) return fallback;
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new TypeError(`--${name} must be a whole number from 1 to 9999999.`);
  return Number(text);
}
