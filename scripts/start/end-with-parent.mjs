// Loaded into the backend: if npm start is killed, the backend must not stay and keep the port.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
