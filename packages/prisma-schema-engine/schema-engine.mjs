#!/usr/bin/env node
// Prisma's CLI executes this file. The file registers tsx, because Node 20 cannot run TypeScript.
import { register } from 'tsx/esm/api';

register();
await import('./src/main.ts');
