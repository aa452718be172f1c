// Loaded into each server: if npm start is killed, they must not stay and keep the ports.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
