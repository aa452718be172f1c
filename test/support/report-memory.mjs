// Loaded into a server under test: on SIGWINCH it says how much memory is in use once the garbage
// is gone. Not on SIGUSR2, which Nest takes as a wish to shut down.
process.on('SIGWINCH', () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`memory in use: ${heapUsed + external}\n`);
});
