import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Prints the results of a run in one machine-readable last line. `TALLY_FILE` names a file to
 * append the line to, so that several runs can be added up.
 */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const count = (state: string) => states.filter((each) => each === state).length;
    // If a file fails to load or a hook fails, the affected tests do not run. No test is then
    // reported as failed, so the file or the group of tests counts as one failure.
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = groups.filter((group) => group.errors().length > 0).length + errors.length;
    const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : '';
    const tally = `${count('passed')} passed, ${count('failed') + broken} failed${skipped}`;
    if (process.env.TALLY_FILE) appendFileSync(process.env.TALLY_FILE, `${tally}\n`);
    // Vitest prints the coverage report after this hook, so the line waits for the exit.
    process.once('exit', () => process.stdout.write(`\n${tally}\n`));
  }
}
