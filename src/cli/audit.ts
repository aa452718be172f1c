import { loadEnvFiles } from '@latchkey/environment/env-files';
import { createAuditCommand } from './audit-command.js';
import { runCommand } from './run-command.js';

loadEnvFiles();
await runCommand(createAuditCommand());
