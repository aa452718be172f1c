// Each server loads this file. If `npm start` is killed, the IPC channel closes, and the server
// ends itself.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
