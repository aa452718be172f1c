import { setFlagsFromString } from 'node:v8';

// Without this flag, the process stays 66 MB larger after many failed calls: docs/decisions/0017.
setFlagsFromString('--heap-growing-percent=30');
