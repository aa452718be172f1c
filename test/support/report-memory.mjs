// A server under test loads this script. On SIGWINCH, it reports the memory in use after a garbage
// collection. The signal is not SIGUSR2, because Nest shuts down on SIGUSR2.
process.on('SIGWINCH', () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`memory in use: ${heapUsed + external}\n`);
});
