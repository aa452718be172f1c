import { loadEnvFiles } from '@latchkey/environment/env-files';
import { createKeysCommand } from './keys-command.js';
import { runCommand } from './run-command.js';

loadEnvFiles();
await runCommand(createKeysCommand());
