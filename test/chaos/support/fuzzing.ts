import fc from 'fast-check';

const DEFAULT_SEED = 20_260_101;
const SHOWN = 5;

/** The seed of the generated cases. FUZZ_SEED sets another one, for example to replay a run. */
export const SEED = Number(process.env.FUZZ_SEED ?? DEFAULT_SEED);

/** Sends cases concurrently and returns their faults. */
export type Examine<Case> = (batch: Case[]) => Promise<string[]>;

/**
 * Generates cases in batches. Returns the faults of the first batch with faults, and how to replay
 * it; undefined if there are none.
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
  // A failed batch depends on the batches before it, so shrinking would find no smaller one.
  const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
    seed: SEED,
    numRuns,
    endOnFailure: true,
  });
  if (!failed) return undefined;
  const faults = found.length === 0 ? [String(errorInstance)] : found.slice(0, SHOWN);
  return [`FUZZ_SEED=${SEED}, batch ${counterexamplePath}`, ...faults].join('\n');
}
