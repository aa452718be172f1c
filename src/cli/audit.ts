import { createAuditCommand } from './audit-command.js';
import { runCommand } from './run-command.js';

await runCommand(createAuditCommand());
