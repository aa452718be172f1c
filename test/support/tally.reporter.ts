import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends a run with one line of its real results, for machines that read them. `TALLY_FILE` names a
 * file that gets the line too, so that several runs can be added up.
 */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const count = (state: string) => states.filter((each) => each === state).length;
    // A file that could not be loaded, or a hook that failed, leaves tests that never ran: none of
    // them has failed.
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = groups.filter((group) => group.errors().length > 0).length + errors.length;
    const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : '';
    const tally = `${count('passed')} passed, ${count('failed') + broken} failed${skipped}`;
    if (process.env.TALLY_FILE) appendFileSync(process.env.TALLY_FILE, `${tally}\n`);
    // After the coverage report, which comes last.
    process.once('exit', () => process.stdout.write(`\n${tally}\n`));
  }
}
