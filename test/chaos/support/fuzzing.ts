import fc from 'fast-check';

const DEFAULT_SEED = 20_260_101;
const SHOWN = 5;

/** Of what is generated; FUZZ_SEED replays another run, or makes one. */
export const SEED = Number(process.env.FUZZ_SEED ?? DEFAULT_SEED);

/** Sends some cases at the same time, and returns their faults. */
export type Examine<Case> = (batch: Case[]) => Promise<string[]>;

/**
 * Generates so many cases, in batches, and returns the faults of the first batch with one: with
 * everything needed to replay it. Undefined if nothing was.
 */
export async function findFault<Case>(
  cases: fc.Arbitrary<Case>,
  count: number,
  batchSize: number,
  examine: Examine<Case>,
): Promise<string | undefined> {
  const batches = fc.array(cases, { minLength: batchSize, maxLength: batchSize });
  let found: string[] = [];
  const property = fc.asyncProperty(batches, async (batch) => {
    found = [];
    found = await examine(batch);
    return found.length === 0;
  });
  const numRuns = Math.ceil(count / batchSize);
  // A batch that failed depends on those before it, so that there is no smaller one to be found.
  const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
    seed: SEED,
    numRuns,
    endOnFailure: true,
  });
  if (!failed) return undefined;
  const faults = found.length === 0 ? [String(errorInstance)] : found.slice(0, SHOWN);
  return [`FUZZ_SEED=${SEED}, batch ${counterexamplePath}`, ...faults].join('\n');
}
