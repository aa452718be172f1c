import { setFlagsFromString } from 'node:v8';

// V8 collects late where memory is plenty: a minute of failing calls would leave this process 150 MB larger.
setFlagsFromString('--heap-growing-percent=30');
setFlagsFromString('--semi-space-growth-factor=1');
