import fc from 'fast-check';

const DEFAULT_SEED = 20_260_101;
const MAX_SHOWN_FAULTS = 5;

/** The seed of the generated cases. FUZZ_SEED overrides the default, for example for a replay. */
export const SEED = Number(process.env.FUZZ_SEED ?? DEFAULT_SEED);

/** Sends cases concurrently and returns their faults. */
export type Examine<Case> = (batch: Case[]) => Promise<string[]>;

/**
 * Examines generated cases in batches until a batch has faults. Returns these faults with the seed
 * that replays the run, or undefined if no batch has a fault.
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
  // The result of a batch depends on the batches before it, so fast-check cannot shrink the batch.
  const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
    seed: SEED,
    numRuns,
    endOnFailure: true,
  });
  if (!failed) return undefined;
  const faults = found.length === 0 ? [String(errorInstance)] : found.slice(0, MAX_SHOWN_FAULTS);
  return [`FUZZ_SEED=${SEED}, batch ${counterexamplePath}`, ...faults].join('\n');
}
