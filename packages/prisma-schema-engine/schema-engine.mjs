#!/usr/bin/env node
// Prisma's CLI runs this file itself. tsx compiles the TypeScript, which Node 20 can't.
import { register } from 'tsx/esm/api';

register();
await import('./src/main.ts');
