import { setFlagsFromString } from 'node:v8';

// Without it, failing calls would leave the process 66 MB larger. See docs/decisions/0017.
setFlagsFromString('--heap-growing-percent=30');
