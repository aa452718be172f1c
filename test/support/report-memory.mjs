// Loaded into a server under test: on SIGWINCH, it reports the memory in use after a garbage
// collection. It does not use SIGUSR2, on which Nest shuts down.
process.on('SIGWINCH', () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`memory in use: ${heapUsed + external}\n`);
});
