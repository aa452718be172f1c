import type { Command } from 'commander';
import { EXIT_CODE_HELP } from '../../src/cli/failure.js';
import { createProgram } from '../../src/cli/program.js';
import { block, code, page } from './markdown.js';

const HELP_WIDTH = 100;

export async function commandLinePage(): Promise<string> {
  const { program } = createProgram();
  const sections = program.commands.map((group) => [
    `## latchkey ${group.name()}`,
    group.commands.map((command) => [
      `### latchkey ${group.name()} ${command.name()}`,
      block('text', helpOf(command)),
    ]),
  ]);
  return page(
    '# Command line',
    `The command \`latchkey\` manages API keys and verifies the audit trail. In a checkout, run
\`npm run keys -- …\` instead of \`latchkey keys …\`, and \`npm run audit -- …\` instead of
\`latchkey audit …\`. In a container, run \`node dist/cli.js …\` instead of \`latchkey …\`.`,
    block('sh', 'latchkey keys create --name mailer --scopes users:read'),
    `Without ${code('--url')}, a command works on the database in \`DATABASE_URL\`. The command needs the
[variables of the backend](../how-to/keys.md#manage-keys-on-a-production-host), including a root
key, but no issued key. With ${code('--url')}, the command sends requests to a running server, and
needs an API key with the scopes that these requests require.`,
    '## Global options and exit codes',
    block('text', `${helpOf(program).trimEnd()}\n${EXIT_CODE_HELP}`),
    sections,
  );
}

/** The help of a command without the parts that all commands share. */
function helpOf(command: Command): string {
  const output: string[] = [];
  command
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void output.push(text),
      getOutHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
    })
    .outputHelp();
  return output.join('').replace(EXIT_CODE_HELP, '');
}
