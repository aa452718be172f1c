#!/usr/bin/env node
// Plain JavaScript, because Prisma runs this file itself: Node 20 needs tsx before it reads TypeScript.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
