import { setFlagsFromString } from 'node:v8';

// V8 must get these flags before other modules are loaded: docs/decisions/0028-heap.md.
setFlagsFromString('--heap-growing-percent=60');
setFlagsFromString('--no-allocation-site-pretenuring');
setFlagsFromString('--liftoff-only');
