import { setFlagsFromString } from 'node:v8';

// Before anything else is loaded: docs/decisions/0028-heap.md.
setFlagsFromString('--heap-growing-percent=30');
setFlagsFromString('--no-allocation-site-pretenuring');
setFlagsFromString('--liftoff-only');
